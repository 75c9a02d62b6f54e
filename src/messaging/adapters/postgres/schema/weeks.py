"""Spares PostgreSQL the partitions that hold none of a set of ids: a statement names one week's, or bounds the ids.

Messages, their contents, attempts and events are partitioned by week. A statement on a parent table prepares to change
any partition each time it runs, and is planned again over all of them whenever one was analyzed. With the default
retention of a year that costs twice as much as naming the one week to which nearly every set belongs
(docs/decisions/0022).

Given only `= ANY` of the ids, PostgreSQL opens every week's partition with its indexes before it finds them empty.
Given the first and last id as well, which it knows before execution, it opens only the partitions between them. This
condition is for statements that take their keys as `= ANY`. Where keys are joined instead, a plan made while the table
was small may read every row between the bounds and compare it with each key.
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import monotonic, time
from typing import Final, TypeVar
from uuid import UUID

from messaging.adapters.postgres.session.transactions import Driver

Id = TypeVar("Id", bound=UUID)

# The suffix of the parent tables, which is empty; a statement on them is right for every set of messages.
ALL_WEEKS: Final = ""

# A partition is fit to be named if it has no statistics, or those of at least a thousand rows: plans are kept, and one
# made on them looks each key up. A plan made when the partition was vacuumed or analyzed while nearly empty would read
# the whole index for every key long after the partition has filled (tests/integration/postgres/plans).
_IS_FIT: Final = """
SELECT count(*) = 4 AND bool_and(c.reltuples < 0 OR c.reltuples >= 1000)
FROM unnest('{messages,contents,attempts,events}'::text[]) AS name JOIN pg_class c ON c.oid = to_regclass(name || $1)
"""
_DAY_MS: Final = 24 * 3600 * 1000
_WEEK_MS: Final = 7 * _DAY_MS
# 1 January 1970 was a Thursday; weeks begin on Mondays.
_FIRST_MONDAY_MS: Final = 3 * _DAY_MS
# Weeks before and after the present one. The server drops none that began less than 37 days ago (`drop_week`), and
# makes eight ahead (`ensure_partitions`).
_BEFORE, _AHEAD = 3, 8


def within(first: int, *columns: str) -> str:
    """The SQL condition that `columns` are within `bounds`, which are the statement's parameters `first` and
    `first + 1`.
    """
    return " AND ".join(f"{column} BETWEEN ${first}::uuid AND ${first + 1}::uuid" for column in columns)


def bounds(ids: Collection[Id]) -> tuple[Id, Id]:
    return min(ids), max(ids)


class Weeks:
    """Remembers which weeks' partitions may be named in statements; only the platform's role has access to them.

    A finding is kept for `fresh_for` seconds, since a partition may be made or filled, or the database restored.
    """

    def __init__(self, *, fresh_for: float = 60.0) -> None:
        self._fresh_for = fresh_for
        self._seen: dict[int, tuple[float, str]] = {}

    async def of(self, driver: Driver, ids: Collection[UUID]) -> str:
        """The suffix of the partitions in which all of `ids` live; ALL_WEEKS if that is not one week, or not a fit one.

        `ids` are ids of messages, at least one.
        """
        week, last = (_number(id.int >> 80) for id in (min(ids), max(ids)))
        if week != last:
            return ALL_WEEKS
        until, suffix = self._seen.get(week, (0.0, ALL_WEEKS))
        if until < monotonic():
            this_week = _number(int(time() * 1000))
            if not this_week - _BEFORE <= week <= this_week + _AHEAD:
                return ALL_WEEKS
            suffix = _suffix(week) if await driver.fetchval(_IS_FIT, _suffix(week)) else ALL_WEEKS
            self._seen[week] = (monotonic() + self._fresh_for, suffix)
        return suffix


def _number(ms: int) -> int:
    """The number of weeks since the one in which 1970 began; `ms` counts from 1970, as in a UUIDv7 (RFC 9562)."""
    return (ms + _FIRST_MONDAY_MS) // _WEEK_MS


@lru_cache(maxsize=128)
def _suffix(week: int) -> str:
    """The suffix that the database function `partition_name` gives the partitions of a week, such as `_2026w48`."""
    year, number, _ = (datetime(1969, 12, 29, tzinfo=UTC) + timedelta(weeks=week)).isocalendar()
    return f"_{year}w{number:02}"
