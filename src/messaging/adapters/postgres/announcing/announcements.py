"""Writes pending events of subjects other than messages, in the transaction of what happened."""

from collections.abc import Sequence
from typing import Final

import msgspec

from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.callbacks.announcements import Announcement
from messaging.application.ports.callbacks.listening import Listening

# The numbers follow the order of the rows given; of these subjects they are also the events' sequence.
ANNOUNCE: Final = """
INSERT INTO pending_events (tenant_id, mode, subject_kind, subject_id, type, occurred_at, data, trace_id)
SELECT g.tenant_id, g.mode, g.subject_kind, g.subject_id, g.type, g.occurred_at, g.data, g.trace_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[], $7::jsonb[], $8::text[])
    WITH ORDINALITY AS g(tenant_id, mode, subject_kind, subject_id, type, occurred_at, data, trace_id, number)
ORDER BY g.number
"""
_COLUMNS: Final = 8

_json = msgspec.json.Encoder()


class PostgresAnnouncements:
    """Pending events, written in one open transaction of a tenant or of the platform."""

    def __init__(self, driver: Driver, listening: Listening) -> None:
        self._driver = driver
        self._listening = listening

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        heard = [it for it in announcements if self._listening.listening(it.tenant_id, it.mode)]
        if heard:
            await self._driver.execute(ANNOUNCE, *transposed([_row(it) for it in heard], _COLUMNS))


def _row(it: Announcement) -> tuple[object, ...]:
    subject = (it.tenant_id, it.mode.value, it.kind.value, it.subject_id)
    # PostgreSQL cannot store a NUL, which a provider may have put into any text.
    data = _json.encode(it.data).decode().replace("\\u0000", "\\ufffd")
    return (*subject, it.type, it.occurred_at, data, it.trace_id)
