"""How does a statement over a set of keys leave alone the weeks that none of them belongs to?

By the keys, PostgreSQL passes over the other weeks row by row, after it has opened every week with its indexes. By the
first and the last id of the set, which it knows before it begins, it opens only what lies between them.

Only for statements that take their keys as `= ANY`. Where keys are joined, a plan that was made while the table was
small may read everything between the bounds, and compare it with each key.
"""

from collections.abc import Collection
from typing import TypeVar
from uuid import UUID

Id = TypeVar("Id", bound=UUID)


def within(first: int, *columns: str) -> str:
    """The condition, for the bounds given as parameters `first` and `first + 1`."""
    return " AND ".join(f"{column} BETWEEN ${first}::uuid AND ${first + 1}::uuid" for column in columns)


def bounds(ids: Collection[Id]) -> tuple[Id, Id]:
    return min(ids), max(ids)
