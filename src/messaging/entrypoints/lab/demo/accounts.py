"""Compares the provider's ledger with our database, message by message.

Both are read directly, past our API: the ledger is what the sandbox accepted, `attempts` what we believe it accepted.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
from msgspec import Struct

from messaging.domain.messages.reference import parse
from messaging.domain.shared.ids import MessageId, Prefix, parse_typeid, typeid
from messaging.entrypoints.lab.dev.client import LocalClient

# States that claim neither that the provider has the message nor that it has not: a person decides about these.
_UNCLEAR: Final = frozenset({"unknown", "unconfirmed"})

_ACCEPTED_ATTEMPTS: Final = """
SELECT message_id, count(*) AS accepted
FROM attempts
WHERE message_id = ANY($1::uuid[]) AND outcome = 'accepted'
GROUP BY message_id
"""
_REPORT_DELAYS: Final = """
SELECT e.recorded_at - m.created_at AS delay
FROM messages m
JOIN LATERAL (
    SELECT min(recorded_at) AS recorded_at FROM events
    WHERE tenant_id = m.tenant_id AND message_id = m.id AND state IN ('delivered', 'read')
) e ON e.recorded_at IS NOT NULL
WHERE m.id = ANY($1::uuid[])
"""


class Verdict(Struct, frozen=True, kw_only=True):
    """Message ids by what is wrong with them; `unclear` ones are reported as unclear, which is not wrong."""

    compared: int
    lost: tuple[str, ...]
    twice: tuple[str, ...]
    unreported: tuple[str, ...]
    unclear: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return not (self.lost or self.twice or self.unreported)


class Ledger(Struct, frozen=True):
    """The number of times the sandbox accepted each message of ours, and the number of its entries by provider.

    `said` holds the text of an SMS, or the subject of an e-mail, as it got there.
    """

    accepted: Counter[MessageId]
    entries: Counter[str]
    said: dict[MessageId, str]


async def read_ledger(sandbox: LocalClient) -> Ledger:
    ledger = await sandbox.get("/_ledger")
    entries = [(parse(entry["reference"] or ""), entry) for entry in ledger["data"]]
    ours = [(reference.message_id, entry) for reference, entry in entries if reference is not None]
    return Ledger(
        accepted=Counter(id for id, _ in ours),
        entries=Counter(entry["provider"] for _, entry in entries),
        said={id: text for id, entry in ours if (text := _said(entry["body"]))},
    )


def _said(body: Mapping[str, Any]) -> str | None:
    """The look-alikes keep what each of them is sent: a form, or a mail."""
    return body.get("Body") or body.get("subject")


class Books:
    """Our tables, read as a superuser: row-level security would show the owner nothing."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def accepted(self, ids: Sequence[UUID]) -> dict[UUID, int]:
        rows = await self._fetch(_ACCEPTED_ATTEMPTS, ids)
        return {row["message_id"]: row["accepted"] for row in rows}

    async def report_delays(self, ids: Sequence[UUID]) -> list[timedelta]:
        """Seconds from acceptance to the recorded delivery report, of every message that got one."""
        return [row["delay"] for row in await self._fetch(_REPORT_DELAYS, ids)]

    async def _fetch(self, query: str, ids: Sequence[UUID]) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self._url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, list(ids))
        finally:
            await connection.close()
        return rows


def uuid_of(message_id: str) -> MessageId:
    found = parse_typeid(Prefix.MESSAGE, message_id)
    assert found is not None
    return MessageId(found)


def compare(messages: Mapping[str, Any], ledger: Mapping[MessageId, int], accepted: Mapping[UUID, int]) -> Verdict:
    """Compares both sides. `messages` are all that were answered with 202, by id; any other id in the ledger is
    unreported.
    """
    lost, twice, unreported, unclear = [], [], [], []
    for id_, message in messages.items():
        uuid = uuid_of(id_)
        there, believed = ledger.get(uuid, 0), accepted.get(uuid, 0)
        if there > 1:
            twice.append(id_)
        if message["status"] in _UNCLEAR:
            unclear.append(id_)
        elif believed and not there:
            lost.append(id_)
        elif there and not believed:
            unreported.append(id_)
    ours = {uuid_of(id_) for id_ in messages}
    unreported += [typeid(Prefix.MESSAGE, uuid) for uuid in ledger if uuid not in ours]
    return Verdict(
        compared=len(messages),
        lost=tuple(lost),
        twice=tuple(twice),
        unreported=tuple(unreported),
        unclear=tuple(unclear),
    )
