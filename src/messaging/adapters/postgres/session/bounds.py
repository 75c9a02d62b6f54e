"""A condition on the first and last id of a set, with which PostgreSQL skips partitions that hold none of its ids.

Given only `= ANY` of the ids, PostgreSQL opens every week's partition with its indexes before it finds them empty.
Given the bounds as well, which it knows before execution, it opens only the partitions between them.

The condition is for statements that take their keys as `= ANY`. Where keys are joined instead, a plan made while the
table was small may read every row between the bounds and compare it with each key.
"""

from collections.abc import Collection
from typing import TypeVar
from uuid import UUID

Id = TypeVar("Id", bound=UUID)


def within(first: int, *columns: str) -> str:
    """The SQL condition on `columns`; the bounds are the statement's parameters `first` and `first + 1`."""
    return " AND ".join(f"{column} BETWEEN ${first}::uuid AND ${first + 1}::uuid" for column in columns)


def bounds(ids: Collection[Id]) -> tuple[Id, Id]:
    return min(ids), max(ids)
