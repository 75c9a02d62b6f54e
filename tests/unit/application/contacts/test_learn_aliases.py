"""What providers tell of who is who is written once, and only if it is new."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from messaging.application.contacts import learn_aliases as learn_aliases_module
from messaging.application.contacts.learn_aliases import LearnAliases, Told
from messaging.application.ports.contact_aliases import AliasSource, NewAlias
from messaging.application.ports.unit_of_work import StoreUnavailable, SystemUnitOfWork
from messaging.domain.channels.address import Channel
from messaging.domain.shared.mode import Mode
from tests.builders import TENANT
from tests.fakes.contact_aliases import InMemoryContactAliases
from tests.unit.application.webhooks.doubles import CIPHER, KEY_RING, Counts, KnownTenants


class Database:
    """Counts statements; `away` refuses transactions. `busiest` is how many were open at once."""

    def __init__(self) -> None:
        self.open = self.busiest = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.durable: list[bool] = []
        self.contact_aliases = self
        self.known = InMemoryContactAliases(TENANT, Mode.LIVE)
        self.written: list[list[NewAlias]] = []
        self.away = False

    async def learn(self, aliases: Sequence[NewAlias]) -> AbstractSet[bytes]:
        self.written.append(list(aliases))
        return await self.known.learn(aliases)

    async def commit(self, *, durable: bool = True) -> None:
        self.durable.append(durable)

    @asynccontextmanager
    async def open_uow(self) -> AsyncIterator[SystemUnitOfWork]:
        if self.away:
            raise StoreUnavailable
        self.open += 1
        self.busiest = max(self.busiest, self.open)
        await self.may_end.wait()
        yield cast(SystemUnitOfWork, self)
        self.open -= 1


def learning(database: Database, counts: Counts | None = None) -> LearnAliases:
    return LearnAliases(
        open_uow=database.open_uow, snapshots=KnownTenants(), key_ring=KEY_RING, telemetry=counts or Counts()
    )


def told(**changes: Any) -> Told:
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "mode": Mode.LIVE,
        "channel": Channel.WHATSAPP,
        "alias": "+14155550109",
        "canonical": "+1415550109",
        "source": AliasSource.ANSWER,
    }
    return Told(**(fields | changes))


async def test_an_answer_is_written_once_however_often_it_comes() -> None:
    database, counts = Database(), Counts()
    learn = learning(database, counts)

    for _ in range(5):
        await learn(told())

    (row,) = [row for batch in database.written for row in batch]
    assert (row.alias, row.canonical) == (CIPHER.blind_index("+14155550109"), CIPHER.blind_index("+1415550109"))
    assert b"1415550109" not in row.sealed
    assert counts.seen == {"contact_aliases_learnt{source=answer}": 1}


async def test_what_another_transaction_may_still_lose_is_not_taken_for_stored() -> None:
    database = Database()
    learn, uow = learning(database), cast(SystemUnitOfWork, database)
    told_of_ana = [told(alias="US.1349", canonical="+14155550109", source=AliasSource.INBOUND)]

    await learn.within(uow, told_of_ana)
    database.known.canonical.clear()  # that transaction was rolled back
    for _ in range(3):
        await learn.within(uow, told_of_ana)

    assert len(database.written) == 3
    assert len(database.known.canonical) == 1


async def test_spellings_that_are_one_by_rule_are_not_written() -> None:
    database = Database()

    await learning(database)(told(alias="+525512345678", canonical="+5215512345678"))

    assert database.written == []


async def test_while_the_database_is_away_a_name_waits_for_the_next_send() -> None:
    database = Database()
    learn = learning(database)
    database.away = True
    await learn(told())
    database.away = False

    await learn(told())

    assert len(database.known.canonical) == 1


async def test_answers_that_come_at_once_are_written_one_transaction_after_the_other() -> None:
    database = Database()
    learn = learning(database)

    database.may_end.clear()
    writes = []
    for number in range(20):
        writes.append(asyncio.create_task(learn(told(alias=f"+141555501{number:02}"))))
        for _ in range(5):
            await asyncio.sleep(0)
    database.may_end.set()
    await asyncio.gather(*writes)

    assert len(database.known.canonical) == 20
    assert database.busiest == 1


async def test_a_commit_that_a_crash_may_undo_is_enough_for_what_the_next_send_tells_again() -> None:
    database = Database()

    await learning(database)(told())

    assert database.durable == [False]


async def test_what_is_remembered_is_forgotten_when_it_becomes_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn_aliases_module, "_MEMORY", 2)
    database = Database()
    learn = learning(database)
    first, second, third = (told(alias=f"+141555501{number:02}") for number in range(3))

    for item in (first, second, first, third, third, first):
        await learn(item)

    # The third makes them too many: only it is remembered, and the first is written anew.
    assert len(database.written) == 4
