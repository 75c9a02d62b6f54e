"""Finds the one week's partitions in which a set of messages lives, so that a statement can name them directly.

Messages, their contents, attempts and events are partitioned by week. A statement on a parent table prepares to change
any partition each time it runs, and is planned again over all of them whenever one was analyzed. With the default
retention of a year that costs twice as much as naming the one week to which nearly every set belongs
(docs/decisions/0022).
"""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from time import monotonic, time
from typing import Final
from uuid import UUID

from messaging.adapters.postgres.session.bounds import bounds
from messaging.adapters.postgres.session.transactions import Driver

# The whole tables, which have no suffix: right for every set.
ALL_WEEKS: Final = ""

# Plans are kept. Of a table that was vacuumed or analyzed while it was nearly empty, one would read the whole index for
# every key long after it has filled; of one without statistics, or with those of the first thousand rows, it looks each
# key up (tests/integration/postgres/plans).
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


class Weeks:
    """Which weeks there are that may be named, as far as this process has seen; only the platform's role may.

    What was seen is believed for `fresh_for` seconds: a week may be made or filled meanwhile, or the database restored.
    """

    def __init__(self, *, fresh_for: float = 60.0) -> None:
        self._fresh_for = fresh_for
        self._seen: dict[int, tuple[float, str]] = {}

    async def of(self, driver: Driver, ids: Collection[UUID]) -> str:
        """What follows the tables' names where all of these live; ALL_WEEKS if that is not one week, or not a fit one.

        `ids` are those of messages and not empty.
        """
        week, last = (_number(id.int >> 80) for id in bounds(ids))
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
    """Weeks from the one in which 1970 began to that of `ms`, as UUIDv7 (RFC 9562) counts milliseconds."""
    return (ms + _FIRST_MONDAY_MS) // _WEEK_MS


@lru_cache(maxsize=128)
def _suffix(week: int) -> str:
    """As `partition_name` gives it."""
    year, number, _ = (datetime(1969, 12, 29, tzinfo=UTC) + timedelta(weeks=week)).isocalendar()
    return f"_{year}w{number:02}"
