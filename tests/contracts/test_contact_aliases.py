"""The fake and Postgres agree on who is who."""

from collections.abc import AsyncIterator, Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.ports.contact_aliases import AliasSource, NewAlias
from messaging.domain.channels.address import Channel
from messaging.domain.shared.mode import Mode
from tests.builders import OTHER_TENANT, TENANT
from tests.fakes.contact_aliases import InMemoryContactAliases
from tests.seeding import seed_other_tenant, seed_tenant

TYPED, WA_ID, USER, PARENT, STRANGER = (bytes([n]) * 32 for n in range(5))


class Aliases(NamedTuple):
    """`learn` commits."""

    learn: Callable[[Sequence[NewAlias]], Any]
    names_of: Callable[[Sequence[bytes]], Any]


@pytest.fixture(params=["in_memory", "postgres"])
async def aliases(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[Aliases]:
    if request.param == "in_memory":
        fake = InMemoryContactAliases(TENANT, Mode.LIVE)
        yield Aliases(fake.learn, fake.names_of)
        return
    await seed_tenant(engines)
    await seed_other_tenant(engines)

    async def learn(new: Sequence[NewAlias]) -> AbstractSet[bytes]:
        async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
            known = await uow.contact_aliases.learn(new)
            await uow.commit()
        return known

    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        yield Aliases(learn, uow.contact_aliases.names_of)


def a_new_alias(alias: bytes, canonical: bytes = WA_ID, **changes: Any) -> NewAlias:
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "mode": Mode.LIVE,
        "channel": Channel.WHATSAPP,
        "sealed": b"sealed",
        "source": AliasSource.ANSWER,
    }
    return NewAlias(alias=alias, canonical=canonical, **(fields | changes))


async def test_every_name_leads_to_all_names_of_the_person(aliases: Aliases) -> None:
    await aliases.learn([a_new_alias(TYPED), a_new_alias(USER), a_new_alias(PARENT)])

    for name in (TYPED, WA_ID, USER, PARENT):
        assert await aliases.names_of([name]) == {TYPED, WA_ID, USER, PARENT}
    assert await aliases.names_of([STRANGER]) == {STRANGER}
    assert await aliases.names_of([]) == set()


async def test_what_is_told_again_is_known_and_what_is_told_otherwise_is_changed(aliases: Aliases) -> None:
    assert await aliases.learn([a_new_alias(TYPED)]) == set()
    assert await aliases.learn([a_new_alias(TYPED), a_new_alias(USER)]) == {TYPED}
    assert await aliases.learn([a_new_alias(TYPED, STRANGER)]) == set()

    assert await aliases.names_of([TYPED]) == {TYPED, STRANGER}
    assert await aliases.names_of([USER]) == {USER, WA_ID}
    assert await aliases.learn([]) == set()


async def test_neither_another_tenants_nor_another_modes_names_are_seen(aliases: Aliases) -> None:
    await aliases.learn([a_new_alias(TYPED, tenant_id=OTHER_TENANT), a_new_alias(USER, mode=Mode.TEST)])

    assert await aliases.names_of([TYPED, USER, WA_ID]) == {TYPED, USER, WA_ID}
