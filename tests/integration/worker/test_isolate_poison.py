"""Messages that may have crashed their worker are claimed one after the other, and none is forgotten."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.messages.delivering.claim import Claim, ClaimDue
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.isolate_poison import IsolatePoison
from messaging.application.ports.due_messages import Due
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, StoreUnavailable, SystemUnitOfWork
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from tests.fakes.installed import CAPABILITIES_OF
from tests.journeys.platform import eventually
from tests.seeding import a_new_message, accept, lock_due, seed_tenant

LANE = DeliverLane(channel=Channel.WHATSAPP, priority=Priority.DEFAULT)
LEASE = timedelta(seconds=30)


class Sends:
    """What was begun, in order; each holds its claim until the test lets it go."""

    def __init__(self) -> None:
        self.begun: list[MessageKey] = []
        self.holding: list[asyncio.Event] = []

    def begin(self, claim: Claim) -> asyncio.Event:
        self.begun.append(claim.key)
        self.holding.append(asyncio.Event())
        return self.holding[-1]

    async def number(self, count: int) -> None:
        async def reached() -> bool | None:
            return True if len(self.begun) >= count else None

        await eventually(reached, within=60, what=f"only {len(self.begun)} of {count} were begun")


async def _free() -> None:
    return


def trying(sends: Sends, open_uow: OpenSystemUnitOfWork) -> IsolatePoison:
    not_asked: Any = None
    terms = DeliveryTerms(worker="w9", lease=LEASE)
    claim = ClaimDue(open_uow=open_uow, fair_share=not_asked, gate=not_asked, terms=terms, capabilities=CAPABILITIES_OF)
    return IsolatePoison(claim=claim.alone, wait_for_one=_free, begin=sends.begin)


@pytest.fixture
async def open_uow(engines: Engines) -> OpenSystemUnitOfWork:
    await seed_tenant(engines)
    return PostgresSystemUnitOfWorkFactory(engines.system)


async def maybe_poison(engines: Engines, open_uow: OpenSystemUnitOfWork, *marks: int) -> list[Due]:
    """Messages whose workers were lost so many times, as the claim finds them."""
    keys = await accept(engines, [a_new_message() for _ in marks])
    async with open_uow() as uow:
        for times in range(max(marks)):
            again = [key for key, wanted in zip(keys, marks, strict=True) if wanted > times]
            for _ in ("claimed, and the lease ends at once", "taken back"):
                messages = await uow.lifecycles.lock(again)
                changes = [lifecycle.take_up(messages[key], worker="w1", lease=timedelta(0)) for key in again]
                await uow.lifecycles.apply([change for change in changes if change is not None])
        found = {due.message.key: due for due in await lock_due(uow.due_messages, LANE)}
        await uow.commit()
    assert all(lifecycle.is_suspect(due.message) for due in found.values())
    return [found[key] for key in keys]


async def states(open_uow: OpenSystemUnitOfWork, dues: Sequence[Due]) -> list[State]:
    async with open_uow() as uow:
        messages = await uow.lifecycles.lock([due.message.key for due in dues])
    return [messages[due.message.key].state for due in dues]


async def test_one_is_claimed_when_the_one_before_has_left_its_claim(
    engines: Engines, open_uow: OpenSystemUnitOfWork
) -> None:
    dues, sends = await maybe_poison(engines, open_uow, 1, 1, 1), Sends()

    trying(sends, open_uow).add(dues)

    for number in range(1, 4):
        await sends.number(number)
        assert (await states(open_uow, dues)).count(State.CLAIMED) == len(sends.begun) == number
        sends.holding[-1].set()
    assert sorted(sends.begun) == sorted(due.message.key for due in dues)


async def test_the_likeliest_culprit_comes_last(engines: Engines, open_uow: OpenSystemUnitOfWork) -> None:
    dues, sends = await maybe_poison(engines, open_uow, 2, 1, 2, 1), Sends()

    trying(sends, open_uow).add(dues)

    for number in range(1, 5):
        await sends.number(number)
        sends.holding[-1].set()
    marks = {due.message.key: due.message.claim_failures for due in dues}
    assert [marks[key] for key in sends.begun] == [1, 1, 2, 2]


async def test_one_that_has_moved_meanwhile_is_left_alone(engines: Engines, open_uow: OpenSystemUnitOfWork) -> None:
    [moved, other], sends = await maybe_poison(engines, open_uow, 1, 1), Sends()
    async with open_uow() as uow:
        change: Change = lifecycle.cancel(moved.message, by="key_1")
        await uow.lifecycles.apply([change])
        await uow.commit()

    trying(sends, open_uow).add([moved, other])
    await sends.number(1)

    assert sends.begun == [other.message.key]
    assert await states(open_uow, [moved, other]) == [State.CANCELLED, State.CLAIMED]


async def test_a_second_worker_that_found_the_same_ones_claims_none_of_them_twice(
    engines: Engines, open_uow: OpenSystemUnitOfWork
) -> None:
    dues, here, there = await maybe_poison(engines, open_uow, 1, 1, 1), Sends(), Sends()

    trying(here, open_uow).add(dues)
    await here.number(1)
    second = trying(there, open_uow)
    second.add(dues)
    await there.number(1)
    here.holding[0].set()
    there.holding[0].set()

    async def all_begun() -> bool | None:
        return True if len(here.begun) + len(there.begun) == 3 else None

    await eventually(all_begun, within=60, what="one was forgotten")
    assert sorted(here.begun + there.begun) == sorted(due.message.key for due in dues)


async def test_who_stops_tries_no_further_one(engines: Engines, open_uow: OpenSystemUnitOfWork) -> None:
    dues, sends = await maybe_poison(engines, open_uow, 1, 1), Sends()
    tried = trying(sends, open_uow)
    tried.add(dues)
    await sends.number(1)

    stopping = asyncio.create_task(tried.stop())
    sends.holding[0].set()
    await stopping
    tried.add(dues)

    assert len(sends.begun) == 1
    assert sorted(await states(open_uow, dues)) == [State.CLAIMED, State.QUEUED]


async def test_after_an_outage_the_next_ones_are_tried(engines: Engines, open_uow: OpenSystemUnitOfWork) -> None:
    dues, sends = await maybe_poison(engines, open_uow, 1, 1), Sends()
    away = asyncio.Event()

    @asynccontextmanager
    async def shaky() -> AsyncIterator[SystemUnitOfWork]:
        if not away.is_set():
            away.set()
            raise StoreUnavailable
        async with open_uow() as uow:
            yield uow

    tried = trying(sends, shaky)

    async def found_again_until_one_is_begun() -> bool | None:
        tried.add(dues)
        return True if sends.begun else None

    await eventually(found_again_until_one_is_begun, within=60, what="the outage was the end of it")
    assert away.is_set()
