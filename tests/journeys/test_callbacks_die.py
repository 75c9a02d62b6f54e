"""Wherever the process that posts callbacks dies, does the receiver hear all, in order, and twice only what it must?

Judged by the receiver's own log. Every crash point of that process is tried; the exit code proves each crash.
"""

import itertools
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Collection
from contextlib import closing
from typing import Final

import asyncpg
import pytest
from msgspec import Struct

from messaging.application.crashpoints import POINTS
from messaging.domain.shared.ids import Prefix, parse_typeid, typeid
from messaging.entrypoints.lab.chaos.judging.callback_evidence import add_callbacks
from messaging.entrypoints.lab.chaos.judging.callback_invariants import CALLBACK_INVARIANTS
from messaging.entrypoints.lab.chaos.judging.invariants import judge
from messaging.entrypoints.lab.chaos.storm import rest
from messaging.entrypoints.lab.chaos.storm.listening.audience import Listener
from messaging.entrypoints.lab.chaos.storm.listening.compressed import LEASE_SECONDS, adjusting
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.receivers.log import Request
from messaging.entrypoints.lab.receivers.receiver import Receiver
from tests.journeys.at_rest import MODES, Mode
from tests.journeys.deaths import dies
from tests.journeys.platform import MORTAL_LEASE, Platform, eventually, running_platform

pytestmark = pytest.mark.slow

_MESSAGES: Final = (MODES["ok"], MODES["ok"], MODES["ok"], MODES["accepted, then failed"])
_POINTS: Final = [point for point in POINTS if point.startswith(("fan_out.", "callback_"))]
# It dies again and again over the same messages, and by the last death requests may have left: how many events then
# come twice, at least and at most, as one of each message is under way.
_CRASHES: Final = {
    ("fan_out.before_commit", "callback_claim.before_commit", "callback_post.after"): (1, len(_MESSAGES)),
    ("fan_out.after_commit", "callback_claim.after_commit", "callback_settle.before_commit"): (1, len(_MESSAGES)),
    # One exchange or more has been written down.
    ("callback_post.before", "callback_settle.after_commit"): (0, len(_MESSAGES) - 1),
}
# Whether something came again for no cause is asked here more strictly, event by event.
_PROMISES: Final = [it for it in CALLBACK_INVARIANTS if it.id != "C6"]

# The lanes of the dead are free so soon; who lives longer keeps them, however busy the machine.
_SOON_OVER: Final = {LEASE_SECONDS: str(2 * MORTAL_LEASE)}
_PENDING: Final = "SELECT subject_id, sequence FROM pending_events WHERE subject_kind = 'message'"

_area_codes = itertools.count(201)


class Told(Struct, frozen=True):
    """A platform and the one who listens to its messages."""

    platform: Platform
    listener: Listener
    connection: "asyncpg.Connection[asyncpg.Record]"

    async def at_rest(self) -> None:
        async with LocalClient(self.platform.stack.sandbox) as sandbox:
            assert await rest.until_quiescent(sandbox, self.connection, within=120) == ""

    def heard_of(self, ids: Collection[str]) -> list[Request]:
        """The receiver's log, as far as it is about these messages."""
        return [it for it in self.listener.receiver.requests if it.key in ids]

    async def pending(self) -> set[tuple[str, int]]:
        """What nobody has dealt with yet: the message and the place in its timeline of each event."""
        rows = await self.connection.fetch(_PENDING)
        return {(typeid(Prefix.MESSAGE, row["subject_id"]), row["sequence"]) for row in rows}

    async def broken_promises(self, ids: Collection[str]) -> list[str]:
        """About these messages, in words."""
        with closing(sqlite3.connect(":memory:")) as evidence:
            await add_callbacks(evidence, [self.listener], self.connection)
            uuids = [str(parse_typeid(Prefix.MESSAGE, id)) for id in ids]
            for table, column in (("of_senders", "message"), ("told", "message"), ("requests", "key")):
                others = f"{column} NOT IN ({', '.join('?' * len(uuids))})"
                evidence.execute(f"DELETE FROM {table} WHERE {others}", uuids)
            judged = judge(evidence, _PROMISES)
        return [f"{it.id} {it.promise}: {it.shown}" for it in judged if it.violations != 0]


@pytest.fixture(scope="module")
async def told() -> AsyncIterator[Told]:
    receiver = Receiver("shop")
    await receiver.open()
    try:
        async with running_platform({}, adjust=adjusting(None)) as platform:
            listener = await _listener(platform, receiver)
            connection = await asyncpg.connect(platform.stack.owner_url)
            try:
                await connection.execute("SET ROLE messaging_system")
                told = Told(platform, listener, connection)
                await _known_to_all(told)
                yield told
            finally:
                await connection.close()
    finally:
        await receiver.close()


async def _listener(platform: Platform, receiver: Receiver) -> Listener:
    body = {"url": receiver.url, "event_types": ["message.*"]}
    made = await platform.client.post("/v1/callback-endpoints", json=body)
    assert made.status_code == 201, made.text
    receiver.secret = made.json()["secret"]
    business = platform.business
    return Listener(receiver=receiver, tenant=business.tenant, endpoint=made.json()["id"], sender=business.senders[0])


async def _known_to_all(told: Told) -> None:
    """Returns once whoever announces events has noticed that somebody listens, which may take a second."""

    async def heard() -> bool | None:
        [id] = await _ended(told.platform, MODES["ok"])
        await told.at_rest()
        types = {it.type for it in told.heard_of([id])}
        return True if types >= {"message.accepted", "message.read"} else None

    await eventually(heard, within=120, what="nobody listens as far as the platform knows")


def test_every_point_is_tried() -> None:
    assert sorted(itertools.chain(*_CRASHES)) == sorted(_POINTS)


@pytest.mark.parametrize("crashes", _CRASHES, ids=lambda crashes: crashes[-1])
async def test_the_callbacks_process_may_die_anywhere(told: Told, crashes: tuple[str, ...]) -> None:
    *before_any_byte, last = crashes
    callbacks = told.platform.stack.keepers["callbacks"]
    callbacks.kill()
    ids = await _ended(told.platform, *_MESSAGES)
    pending = await told.pending()

    for crash in before_any_byte:
        await dies(callbacks, crash, _SOON_OVER)
        assert told.heard_of(ids) == []
    await dies(callbacks, last, _SOON_OVER)
    await told.at_rest()

    heard = told.heard_of(ids)
    assert await told.broken_promises(ids) == []
    assert {id for id, _ in pending} == set(ids)
    assert {(it.key, it.sequence) for it in heard} == pending
    times = Counter((it.key, it.id) for it in heard)
    twice = Counter(key for (key, _), count in times.items() if count > 1)
    least, most = _CRASHES[crashes]
    assert set(times.values()) <= {1, 2}
    assert set(twice.values()) <= {1}
    assert least <= len(twice) <= most


async def _ended(platform: Platform, *modes: Mode) -> list[str]:
    """New messages that have come to their ends."""
    orders = [platform.order(f"+1{next(_area_codes)}55501{mode.digits}") for mode in modes]
    ids = await platform.accepted_batch(orders)
    await platform.until_all_is_told(ids)
    return ids
