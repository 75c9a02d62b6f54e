"""What must be true once everything has come to rest, whatever died on the way?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
from msgspec import Struct

from messaging.domain.messages.reference import parse
from messaging.domain.shared.ids import Prefix, parse_typeid, typeid
from tests.journeys.platform import END, Platform, eventually


class Mode(Struct, frozen=True):
    """A way of the provider, by the last two digits of a magic recipient (docs/sandbox.md).

    `takes`: it ends up in the ledger if it gets there; `ends`: how it is reported then. `refuses`: its answer is a
    definite no.
    """

    digits: str
    takes: bool = True
    ends: str = "read"
    refuses: bool = False


MODES: Mapping[str, Mode] = {
    "ok": Mode("00"),
    # Later than the lease of a lost send ends: whoever sends it again does so before the echo.
    "late webhooks": Mode("64"),
    "error 500, accepted": Mode("46"),
    "error 500, not accepted": Mode("45", takes=False),
    "hangs, accepted": Mode("51"),
    "hangs, not accepted": Mode("57", takes=False),
    "resets, accepted": Mode("52"),
    "resets, not accepted": Mode("53", takes=False),
    "answer cut off": Mode("54"),
    "throttled first": Mode("70"),
    "refused": Mode("20", takes=False, refuses=True),
    "accepted, then failed": Mode("10", ends="failed"),
}


class Accepted(Struct, frozen=True):
    """A message that was answered with 202."""

    id: str
    mode: Mode


class FoundAtRest(Struct, frozen=True):
    """`ledger` counts the provider's acceptances, `status` is ours, `events` the types of the timeline, by id."""

    accepted: Sequence[Accepted]
    ledger: Counter[str]
    status: Mapping[str, str]
    events: Mapping[str, list[str]]
    sent_unmarked: Sequence[str]
    open_attempts: int
    illegal_histories: Sequence[str]

    def violations(self) -> list[str]:
        """Of what must hold after any crash, in words; empty when all is well."""
        found = [f"{id} left before its start was written down" for id in self.sent_unmarked]
        found += [f"{id} has an illegal history" for id in self.illegal_histories]
        found += [f"{self.open_attempts} attempts are still claimed or started"] if self.open_attempts else []
        for message in self.accepted:
            times, status = self.ledger[message.id], self.status.get(message.id)
            if times > 1:
                found.append(f"{message.id} was sent {times} times")
            if status not in _truths(message.mode, taken=times > 0):
                found.append(f"{message.id} ({message.mode.digits}) is {status}, the provider has it {times} times")
            if status == "read" and (receipts := self.receipts(message.id)) != _EACH_ONCE:
                found.append(f"{message.id} counts its receipts as {dict(receipts)}")
        return found

    def receipts(self, id: str) -> Counter[str]:
        return Counter(type_ for type_ in self.events[id] if type_.startswith("receipt."))

    def unclear(self) -> list[str]:
        """Messages that would have got through, but that a person has to look at now."""
        return [m.id for m in self.accepted if self.status[m.id] == "unconfirmed" and (m.mode.takes or m.mode.refuses)]


_EACH_ONCE = Counter({"receipt.sent": 1, "receipt.delivered": 1, "receipt.read": 1})


def _truths(mode: Mode, *, taken: bool) -> set[str]:
    """What may be reported, given what the provider knows."""
    if taken:
        return {mode.ends}
    return {"unconfirmed", "failed"} if mode.refuses else {"unconfirmed"}


async def found_at_rest(platform: Platform, accepted: Sequence[Accepted], *, within: float = 120) -> FoundAtRest:
    """Wait until nothing moves any more, and look."""
    ids = [message.id for message in accepted]
    connection = await asyncpg.connect(platform.stack.owner_url)
    try:
        await connection.execute("SET ROLE messaging_system")

        async def at_rest() -> bool | None:
            return True if await _is_at_rest(platform, connection, ids) else None

        try:
            await eventually(at_rest, within=within, what="it did not come to rest")
        except AssertionError as error:
            error.add_note(str([dict(row) for row in await connection.fetch(_WAITING)]))
            raise
        entries = await _entries(platform, set(ids))
        return FoundAtRest(
            accepted=accepted,
            ledger=Counter(id for id, _, _ in entries),
            status={_text(row["id"]): row["state"] for row in await connection.fetch(_MESSAGES, _uuids(ids))},
            events={_text(row["message_id"]): row["types"] for row in await connection.fetch(_EVENTS, _uuids(ids))},
            sent_unmarked=await _unmarked(connection, entries),
            open_attempts=await connection.fetchval(_OPEN, _uuids(ids)),
            illegal_histories=await platform.illegal_histories(),
        )
    finally:
        await connection.close()


_WAITING = """
SELECT d.kind, d.due_at - clock_timestamp() AS due_in, m.state, m.attempts, m.epoch, m.error_code, m.recipient_hint
FROM dispatches d LEFT JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.subject_id LIMIT 10
"""
# The next listing of an account's templates is always ahead.
_WORK = """
SELECT (SELECT count(*) FROM dispatches) + (SELECT count(*) FROM jobs WHERE kind <> 'sync_templates')
"""
_MESSAGES = "SELECT id, state FROM messages WHERE id = ANY($1::uuid[])"
_EVENTS = """
SELECT message_id, array_agg(type ORDER BY seq) AS types FROM events
WHERE message_id = ANY($1::uuid[]) GROUP BY message_id
"""
_OPEN = "SELECT count(*) FROM attempts WHERE message_id = ANY($1::uuid[]) AND phase IN ('claimed', 'started')"
_STARTS = "SELECT message_id, epoch, started_at FROM attempts WHERE message_id = ANY($1::uuid[])"


async def _is_at_rest(platform: Platform, connection: Any, ids: Sequence[str]) -> bool:
    if await connection.fetchval(_WORK):
        return False
    rows = await connection.fetch(_MESSAGES, _uuids(ids))
    if len(rows) < len(ids) or not {row["state"] for row in rows} <= END:
        return False
    posts = await platform.sandbox.get("/_webhooks", params={"limit": 1})
    # The last acknowledgement was given after the commit, so what it was about waits in `dispatches` or is done.
    return bool(posts.json()["pending"] == 0) and not await connection.fetchval(_WORK)


async def _entries(platform: Platform, wanted: set[str]) -> list[tuple[str, int, datetime]]:
    """The ledger's lines about these messages: id, attempt, time of the whole request's arrival."""
    found: list[tuple[str, int, datetime]] = []
    after: int | None = 0
    while after is not None:
        page = (await platform.sandbox.get("/_ledger", params={"after": after, "limit": 1_000})).json()
        for line in page["data"]:
            echoed = parse(line["reference"] or "")
            assert echoed is not None, f"the provider accepted something that is not ours: {line['message_id']}"
            id = typeid(Prefix.MESSAGE, echoed.message_id)
            if id in wanted:
                found.append((id, echoed.epoch, datetime.fromtimestamp(line["received_at"], UTC)))
        after = page["next"]
    return found


async def _unmarked(connection: Any, entries: Sequence[tuple[str, int, datetime]]) -> list[str]:
    """Messages whose request had arrived before its attempt was started. All clocks are this machine's."""
    rows = await connection.fetch(_STARTS, _uuids([id for id, _, _ in entries]))
    starts = {(_text(row["message_id"]), row["epoch"]): row["started_at"] for row in rows}
    return [id for id, epoch, arrived in entries if (started := starts.get((id, epoch))) is None or started > arrived]


def _uuids(ids: Sequence[str]) -> list[Any]:
    return [parse_typeid(Prefix.MESSAGE, id) for id in ids]


def _text(id: Any) -> str:
    return typeid(Prefix.MESSAGE, id)
