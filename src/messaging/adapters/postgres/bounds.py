"""How does a statement over a set of keys leave alone the weeks that none of them belongs to?

By the keys, PostgreSQL passes over the other weeks row by row, after it has opened every week with its indexes. By the
first and the last id of the set, which it knows before it begins, it opens only what lies between them.

Keys that come with values of their own are joined. There the bounds are said of the keys as well: so few are then
expected that each is looked up, whatever the size of the table, and the stretch between the bounds, which may hold
anything, is never read. Such a statement must not have to wait for a row: where weeks are chosen by bounds and once
more by each key, PostgreSQL 18 does not find a row again that was changed meanwhile. So what locks, and what does not
need a join, takes its keys as `= ANY`.
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
