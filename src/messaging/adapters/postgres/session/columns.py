"""Turns rows into one array per column, as `unnest` takes them."""

from collections.abc import Collection, Sequence
from typing import Any


def transposed(rows: Collection[tuple[Any, ...]], width: int) -> Sequence[Sequence[Any]]:
    """Rows as one array per column, also when there are none."""
    return list(zip(*rows, strict=True)) or [()] * width
