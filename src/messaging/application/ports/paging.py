"""A page of a list, and the cursor at which the next page starts."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
R = TypeVar("R")
P = TypeVar("P")


class Page(NamedTuple, Generic[T, P]):
    """`next_after` is the last shown position (exclusive); None means that the list is at its end."""

    items: tuple[T, ...]
    next_after: P | None


def page_of(rows: Sequence[R], limit: int, position: Callable[[R], P], view: Callable[[R], T]) -> Page[T, P]:
    """Cut a page out of `limit + 1` fetched rows: the surplus row only tells that there is more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(tuple(view(row) for row in shown), position(shown[-1]) if more else None)
