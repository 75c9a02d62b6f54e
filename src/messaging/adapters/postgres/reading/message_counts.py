"""Counts the messages of a range by state and error code, newest first, up to a limit of rows and of time.

State and error code are in no index (docs/decisions/0003), so each message is read. The range is cut into slices of
time; if the older slices would take too long, the counts of the newer ones are the answer.
"""

from collections import Counter
from datetime import datetime
from time import monotonic
from typing import Any, Final
from uuid import UUID

from asyncpg import QueryCanceledError, Record

from messaging.adapters.postgres.reading.message_lists import CLOCK_SLACK, LIST_SETTINGS, id_at
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.records import CountedRange, MessageCounts
from messaging.domain.messages.state import State
from messaging.domain.shared.mode import TenantScope

# The largest number of messages that are counted.
MOST: Final = 250_000
SLICES: Final = 12
# Seconds after which no further slice is begun. A single slice may take up to `_SLICE_MS`, because it also reads rows
# of the other mode, which do not count towards `MOST`.
SECONDS: Final = 2.0
_SLICE_MS: Final = 2_000

SETTINGS: Final = f"{LIST_SETTINGS}; SET LOCAL statement_timeout = {_SLICE_MS}"

_COUNT: Final = """
SELECT c.state, c.error_code, count(*) AS messages, min(c.created_at) AS oldest FROM (
    SELECT m.state, m.error_code, m.created_at FROM messages m
    WHERE m.tenant_id = $1 AND m.mode = $2 AND m.id BETWEEN $3 AND $4 AND m.created_at >= $5 AND m.created_at < $6
      AND ($7::text IS NULL OR m.channel = $7) {of_template}
    ORDER BY m.id DESC LIMIT $8
) AS c GROUP BY c.state, c.error_code
"""
# Index: messages_pkey, backwards.
COUNT: Final = _COUNT.format(of_template="")
# Index: messages_template_idx, backwards.
COUNT_OF_TEMPLATE: Final = _COUNT.format(of_template="AND m.template_name = $9")


class Count:
    """One count under way."""

    def __init__(self, driver: Driver, scope: TenantScope, wanted: CountedRange) -> None:
        self._driver = driver
        self._scope = scope
        self._wanted = wanted
        self._found: Counter[tuple[State, str | None]] = Counter()
        self._since = wanted.created_before

    async def __call__(self) -> MessageCounts:
        await self._driver.execute(SETTINGS)
        started = monotonic()
        for start, floor, ceiling in slices(self._wanted):
            if monotonic() - started > SECONDS:
                return self._counts(truncated=True)
            try:
                rows = await self._driver.fetch(*self._statement(floor, ceiling))
            except QueryCanceledError:
                # The timeout ends the transaction, which has only read.
                return self._counts(truncated=True)
            self._add(rows)
            if self._left() == 0:
                self._since = min(row["oldest"] for row in rows)
                return self._counts(truncated=True)
            self._since = start
        return self._counts(truncated=False)

    def _statement(self, floor: UUID, ceiling: UUID) -> tuple[Any, ...]:
        wanted = self._wanted
        arguments = (*self._scope, floor, ceiling, wanted.created_after, wanted.created_before, wanted.channel)
        if wanted.template is None:
            return COUNT, *arguments, self._left()
        return COUNT_OF_TEMPLATE, *arguments, self._left(), wanted.template

    def _left(self) -> int:
        return MOST - self._found.total()

    def _add(self, rows: list[Record]) -> None:
        for row in rows:
            self._found[State(row["state"]), row["error_code"]] += row["messages"]

    def _counts(self, *, truncated: bool) -> MessageCounts:
        since = self._since if truncated else self._wanted.created_after
        return MessageCounts(found=dict(self._found), truncated=truncated, since=since)


def slices(wanted: CountedRange) -> list[tuple[datetime, UUID, UUID]]:
    """The slices, newest first: the instant at which each begins, and its first and last id. No id is in two slices."""
    width = (wanted.created_before - wanted.created_after) / SLICES
    starts = [wanted.created_after + width * n for n in range(SLICES)]
    floors = [id_at(start, 0 if n else -CLOCK_SLACK) for n, start in enumerate(starts)]
    ends = [*floors[1:], id_at(wanted.created_before, CLOCK_SLACK)]
    found = [(start, floor, UUID(int=end.int - 1)) for start, floor, end in zip(starts, floors, ends, strict=True)]
    return found[::-1]
