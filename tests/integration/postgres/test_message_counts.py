"""Messages of a range are counted by state and error code, each once, within a bound."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import asyncpg
import pytest

from messaging.adapters.postgres.reading import message_counts
from messaging.adapters.postgres.reading.message_lists import LIST_SETTINGS
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.ports.records import CountedRange, MessageCounts
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId
from messaging.domain.shared.mode import Mode
from tests.builders import OTHER_TENANT, TENANT, a_text
from tests.seeding import a_new_message, accept, seed_other_tenant, seed_tenant

START = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = CountedRange(created_after=START, created_before=START + timedelta(hours=1))


@pytest.fixture(autouse=True)
async def _tenants(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about rows; a loaded machine may be slow."""
    monkeypatch.setattr(message_counts, "SECONDS", 60.0)
    monkeypatch.setattr(message_counts, "SETTINGS", LIST_SETTINGS)


def at(minute: int, second: int = 0) -> dict[str, object]:
    """An id and a creation time so long after the start."""
    created = START + timedelta(minutes=minute, seconds=second)
    ms = int(created.timestamp() * 1000)
    return {"id": MessageId(UUID(int=(ms << 80) + minute)), "created_at": created}


async def counted(
    engines: Engines, wanted: CountedRange = HOUR, *, mode: Mode = Mode.LIVE, tenant_id: object = TENANT
) -> MessageCounts:
    async with PostgresUnitOfWorkFactory(engines.app)(tenant_id, mode) as uow:  # type: ignore[arg-type]
        return await uow.records.counts(wanted)


async def test_each_message_of_the_range_counts_once_in_its_state_with_its_reason(engines: Engines) -> None:
    keys = [key.message_id for key in await accept(engines, [a_new_message(**at(n)) for n in range(-1, 61)])]
    async with transaction(engines.system) as opened:
        await opened.driver.execute(
            "UPDATE messages SET state = 'failed', error_code = '131026' WHERE id = ANY($1)", [keys[0], *keys[1:4]]
        )
        await opened.driver.execute("UPDATE messages SET state = 'dead', error_code = '1' WHERE id = $1", keys[60])
        await opened.commit()

    counts = await counted(engines)

    # Not the one before, which failed as well, and not the one at the end.
    assert counts.found == {(State.FAILED, "131026"): 3, (State.DEAD, "1"): 1, (State.QUEUED, None): 56}
    assert (counts.truncated, counts.since) == (False, START)


async def test_templates_and_channels_modes_and_tenants_count_by_themselves(engines: Engines) -> None:
    text, test = a_new_message(content=a_text(), **at(2)), a_new_message(mode=Mode.TEST, **at(3))
    await accept(engines, [a_new_message(**at(1)), text, test])

    async def found(mode: Mode = Mode.LIVE, tenant_id: object = TENANT, **narrower: str) -> int:
        wanted = CountedRange(created_after=HOUR.created_after, created_before=HOUR.created_before, **narrower)
        return sum((await counted(engines, wanted, mode=mode, tenant_id=tenant_id)).found.values())

    assert (await found(), await found(Mode.TEST), await found(tenant_id=OTHER_TENANT)) == (2, 1, 0)
    assert (await found(template="order_update"), await found(template="other")) == (1, 0)
    assert (await found(channel="whatsapp"), await found(channel="sms")) == (2, 0)
    assert await found(channel="whatsapp", template="order_update") == 1


async def test_beyond_the_bound_only_the_newest_count_and_the_answer_says_so(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept(engines, [a_new_message(**at(n)) for n in range(60)])
    monkeypatch.setattr(message_counts, "MOST", 7)

    counts = await counted(engines)

    assert counts.found == {(State.QUEUED, None): 7}
    assert (counts.truncated, counts.since) == (True, START + timedelta(minutes=53))


async def test_what_was_counted_in_time_stands(engines: Engines, monkeypatch: pytest.MonkeyPatch) -> None:
    await accept(engines, [a_new_message(**at(n)) for n in range(60)])
    instants = iter([0.0, 0.0, 1.0, 61.0])
    monkeypatch.setattr(message_counts, "monotonic", lambda: next(instants))

    counts = await counted(engines)

    # Two slices of five minutes each.
    assert counts.found == {(State.QUEUED, None): 10}
    assert (counts.truncated, counts.since) == (True, START + timedelta(minutes=50))


async def test_a_slice_that_takes_too_long_is_given_up(
    engines: Engines, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await accept(engines, [a_new_message(**at(1))])
    monkeypatch.setattr(message_counts, "SETTINGS", "SET LOCAL statement_timeout = 50")
    blocking = await asyncpg.connect(database)
    await blocking.execute("BEGIN; LOCK TABLE messages")

    counts = await counted(engines)
    await blocking.close()

    assert counts == MessageCounts(found={}, truncated=True, since=HOUR.created_before)
    assert (await counted(engines, mode=Mode.TEST)).found == {}


def test_slices_hold_every_id_of_the_range_once() -> None:
    wanted = CountedRange(created_after=START, created_before=START + timedelta(days=31))
    found = message_counts.slices(wanted)

    bounds = [(floor, ceiling) for _, floor, ceiling in found]
    assert all(later[0].int == earlier[1].int + 1 for later, earlier in pairwise(bounds))
    assert (len(found), found[-1][0]) == (message_counts.SLICES, START)
