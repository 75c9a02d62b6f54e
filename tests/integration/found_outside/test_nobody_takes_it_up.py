"""Messages that no worker takes: they are alarmed about, and they end on time all the same."""

from typing import Any

import asyncpg
import pytest

from messaging.adapters.postgres.operations.workers import PostgresWorkers
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.messages.tracking import expire_unserved
from messaging.application.messages.tracking.expire_unserved import ExpireUnserved
from messaging.application.ports.workers import served
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from messaging.entrypoints.composition.health.process import lanes_carried, workers_check
from messaging.entrypoints.composition.providers import CARRIED
from tests.builders import NOON
from tests.seeding import a_new_message, accept, seed_tenant

OTP = DeliverLane(Channel.WHATSAPP, Priority.CRITICAL)
LANES = lanes_carried(CARRIED)


async def queued(engines: Engines, count: int = 1, **changes: Any) -> list[MessageKey]:
    """Expired long ago, unless told otherwise."""
    return list(await accept(engines, [a_new_message(**({"expires_at": NOON} | changes)) for _ in range(count)]))


async def states(engines: Engines, keys: list[MessageKey]) -> list[State]:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        found = await uow.lifecycles.lock(keys)
    return [found[key].state for key in keys]


async def test_what_expires_in_a_lane_without_a_worker_ends(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expire_unserved, "_PAGE", 2)
    await seed_tenant(engines)
    workers = PostgresWorkers(engines.system)
    await workers.tell("otp-only", [OTP], webhooks=True)
    late = await queued(engines, 3, priority=Priority.LOW) + await queued(engines, priority=Priority.HIGH)
    by_sms = await queued(engines, channel=Channel.SMS)
    valid = await queued(engines, expires_at=None, priority=Priority.LOW)
    claimable = await queued(engines, priority=Priority.CRITICAL)

    ended = await ExpireUnserved(open_uow=PostgresSystemUnitOfWorkFactory(engines.system), workers=workers)()

    assert ended == len(late + by_sms)
    assert set(await states(engines, late + by_sms)) == {State.EXPIRED}
    # Whoever takes the lane ends these by the way.
    assert set(await states(engines, valid + claimable)) == {State.QUEUED}


async def test_a_worker_is_live_while_it_tells_so_and_missed_until_it_leaves(engines: Engines, database: str) -> None:
    workers = PostgresWorkers(engines.system)
    await workers.tell("all", LANES, webhooks=True)
    await workers.tell("otp-only", [OTP], webhooks=False)
    well = workers_check(await workers.seen(), LANES)
    keeper = await asyncpg.connect(database)
    await keeper.execute("UPDATE workers SET seen_at = seen_at - interval '1 minute' WHERE name = 'all'")
    frozen = await workers.seen()
    await workers.leave("otp-only")
    await keeper.execute("UPDATE workers SET seen_at = seen_at - interval '2 days'")
    await workers.tell("new", [OTP], webhooks=True)
    left = await keeper.fetchval("SELECT array_agg(name) FROM workers")
    await keeper.close()

    assert (well.ok, well.detail) == (True, "2 live")
    assert [(worker.name, worker.is_live) for worker in frozen] == [("otp-only", True), ("all", False)]
    assert served(frozen) == {OTP}
    told = workers_check(frozen, LANES)
    assert (told.ok, told.tolerable) == (False, True)
    assert "gone without leaving: all (silent for" in told.detail
    assert "nobody takes email/critical," in told.detail
    assert "whatsapp/high, whatsapp/default, whatsapp/low, stored webhooks" in told.detail
    assert left == ["new"]
