"""Who is sent first when many wait? Real Postgres and Redis, small numbers, and counts instead of times."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import pytest
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.adapters.redis.rate_limits import RedisRateLimits
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.ports.due_messages import Due
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel, Phone
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import AccountId, SenderId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode
from tests import builders
from tests.delivery import a_claim, a_gate
from tests.seeding import a_new_message, accept, seed_tenant
from tests.unit.application.messages.pacing.test_rate_limiting import breakers
from tests.unit.application.webhooks.doubles import Counts

LANE = DeliverLane(Channel.WHATSAPP, Priority.LOW)


class Claims:
    """One worker's claims under real limits, and the tenants whose messages it claims."""

    def __init__(self, engines: Engines, redis: Redis) -> None:
        self.engines = engines
        snapshots = PostgresSnapshots(engines.system)
        limits, counts = RedisRateLimits(redis=redis), Counts()
        self.gate = a_gate(snapshots=snapshots, limits=limits, breakers=breakers(snapshots), telemetry=counts)
        self.claim = a_claim(PostgresSystemUnitOfWorkFactory(engines.system), self.gate, DeliveryTerms(worker="w1"))
        self.people: Iterator[int] = count()

    async def taken(self, concurrency: int) -> list[Due]:
        return [claim.due for claim in (await self.claim(LANE, concurrency)).claims]

    async def taken_from_all(self, *, concurrency: int, claims: int) -> Counter[TenantId]:
        due = [due for _ in range(claims) for due in await self.taken(concurrency)]
        return Counter(each.message.key.tenant_id for each in due)

    async def backlog(self, size: int, *, to: str | None = None, **changes: Any) -> None:
        """Each message to a person of its own, unless told otherwise."""
        changes = {"priority": Priority.LOW, "template_id": None} | changes
        people = (to or f"+1999{next(self.people):07d}" for _ in range(size))
        await accept(self.engines, [a_new_message(recipient=Phone(person), **changes) for person in people])

    async def tenant(self, *, per_second: int = 1_000) -> dict[str, Any]:
        """A tenant whose sender is as fast as that."""
        ids: dict[str, Any] = {
            "tenant_id": TenantId(uuid7()),
            "account_id": AccountId(uuid7()),
            "sender_id": SenderId(uuid7()),
        }
        await seed_tenant(self.engines, **ids, template_id=TemplateId(uuid7()))
        await self.sender(ids["tenant_id"], ids["sender_id"], ids["account_id"], per_second)
        return ids

    async def sender(self, tenant_id: TenantId, id: SenderId, account_id: AccountId, per_second: int) -> None:
        async with PostgresUnitOfWorkFactory(self.engines.app)(tenant_id, Mode.LIVE) as uow:
            own: dict[str, Any] = {"tenant_id": tenant_id, "id": id, "external_id": str(id), "account_id": account_id}
            sender = builders.a_sender(per_second=per_second, **own)
            if await uow.senders.sender(id):
                await uow.senders.update_sender(sender)
            else:
                await uow.senders.add_sender(sender)
            await uow.commit()

    async def template(self, ids: dict[str, Any], name: str) -> TemplateId:
        own: dict[str, Any] = {
            "id": TemplateId(uuid7()),
            "tenant_id": ids["tenant_id"],
            "account_id": ids["account_id"],
        }
        async with PostgresUnitOfWorkFactory(self.engines.app)(ids["tenant_id"], Mode.LIVE) as uow:
            await uow.templates.add_template(builders.a_template(name=name, **own))
            await uow.commit()
        return TemplateId(own["id"])


@pytest.fixture
async def claims(engines: Engines, redis_url: str) -> AsyncIterator[Claims]:
    async with Redis.from_url(redis_url) as redis:
        # A Redis that has remembered for long: its buckets are full.
        await redis.set("messaging:rate:since", 1)
        yield Claims(engines, redis)


async def test_equal_tenants_are_served_equally_however_long_their_backlogs(claims: Claims) -> None:
    tenants = [await claims.tenant() for _ in range(5)]
    for size, ids in zip((60, 20, 40, 30, 50), tenants, strict=True):
        await claims.backlog(size, **ids)

    served = await claims.taken_from_all(concurrency=7, claims=10)

    assert sum(served.values()) == 70
    assert max(served.values()) - min(served.values()) <= 1


async def test_with_more_tenants_than_are_looked_at_in_one_go_everybody_has_a_turn(claims: Claims) -> None:
    tenants = [await claims.tenant() for _ in range(40)]
    for ids in tenants:
        await claims.backlog(2, **ids)

    served = await claims.taken_from_all(concurrency=20, claims=4)

    assert len(served) == 40
    assert set(served.values()) == {2}


async def test_a_tenants_senders_and_campaigns_share_what_is_the_tenants(claims: Claims) -> None:
    ids = await claims.tenant()
    second = SenderId(uuid7())
    await claims.sender(ids["tenant_id"], second, ids["account_id"], 1_000)
    campaigns = [await claims.template(ids, f"campaign_{number}") for number in range(3)]
    for campaign in campaigns:
        await claims.backlog(20, **ids | {"template_id": campaign})
    await claims.backlog(20, **ids | {"sender_id": second})

    due = [due for _ in range(4) for due in await claims.taken(6)]

    assert Counter(each.message.sender_id for each in due) == {ids["sender_id"]: 12, second: 12}
    of_first = Counter(each.flow_id for each in due if each.message.sender_id == ids["sender_id"])
    assert of_first == dict.fromkeys(campaigns, 4)


async def test_a_sender_without_tokens_rests_and_its_places_go_to_the_others(claims: Claims) -> None:
    slow, quick = await claims.tenant(per_second=1), await claims.tenant()
    await claims.backlog(30, **slow)
    await claims.backlog(30, **quick)

    first = await claims.taken_from_all(concurrency=10, claims=1)
    second = await claims.taken_from_all(concurrency=10, claims=1)

    assert first == {slow["tenant_id"]: 1, quick["tenant_id"]: 9}
    assert second[quick["tenant_id"]] >= 9
    assert second[slow["tenant_id"]] <= 1


async def test_messages_to_one_person_wait_in_postgres_and_hold_up_nobody(claims: Claims) -> None:
    ids = await claims.tenant(per_second=10_000)
    await claims.backlog(45, to="+14155550100", **ids)
    await claims.backlog(5, **ids)

    taken = [len(await claims.taken(50)) for _ in range(2)]

    assert sum(taken) == 45
    assert claims.gate.throttled() == []
    assert await claims.taken(50) == []


async def test_no_process_claims_more_than_all_of_them_may_send(claims: Claims, redis_url: str) -> None:
    ids = await claims.tenant(per_second=20)
    await claims.backlog(50, **ids)
    async with Redis.from_url(redis_url) as redis:
        others = [Claims(claims.engines, redis) for _ in range(3)]
        taken = [len(await each.taken(50)) for each in [claims, *others]]

    # The slots of 0.2 s at 18 per second, and one every 1/18 s from then on.
    assert 3 <= sum(taken) <= 3 + 18
    assert taken[0] == 3
