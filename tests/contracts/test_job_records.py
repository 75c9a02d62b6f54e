"""The fake and Postgres count jobs, list dead ones and write what a person decided about them alike."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application import jobs
from messaging.application.jobs import JobLane
from messaging.application.ports.job_records import DeadJob, JobCount, JobRecords
from messaging.application.ports.outbox import Claim, JobEnd, NewJob, Settled, Wanted
from messaging.domain.shared.ids import AccountId, JobId, TemplateId
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, TENANT
from tests.fakes.job_records import InMemoryJobRecords
from tests.fakes.outbox import InMemoryJobs

HOUR = timedelta(hours=1)


class Store(NamedTuple):
    open_uow: Callable[[], AbstractAsyncContextManager[Any]]
    records_of: Callable[[Any], JobRecords]

    @asynccontextmanager
    async def records(self) -> AsyncIterator[JobRecords]:
        """Committed at the end of the block."""
        async with self.open_uow() as uow:
            yield self.records_of(uow)
            await uow.commit()

    async def enqueue(self, *wanted: NewJob) -> None:
        async with self.open_uow() as uow:
            await uow.outbox.enqueue(wanted)
            await uow.commit()

    async def claim(self, lane: JobLane = JobLane.PROMPT) -> Claim:
        wanted = Wanted(lane=lane, leases=dict.fromkeys(jobs.KINDS, HOUR), limit=9, most_each=9)
        async with self.open_uow() as uow:
            claim: Claim = await uow.due_jobs.claim(wanted)
            await uow.commit()
        return claim

    async def settle(self, end: JobEnd, *, lane: JobLane = JobLane.PROMPT) -> None:
        """Whatever is due ends like that."""
        claim = await self.claim(lane)
        ends = [Settled(claimed=one, end=end, after=HOUR, code="no", reason="It cannot be.") for one in claim.jobs]
        async with self.open_uow() as uow:
            await uow.due_jobs.settle(ends)
            await uow.commit()

    async def dead(self, **changes: Any) -> list[DeadJob]:
        fields: dict[str, Any] = {"before": None, "limit": 9} | changes
        async with self.records() as records:
            return list(await records.dead(**fields))


@pytest.fixture
async def in_memory() -> Store:
    return Store(InMemoryJobs().open_uow, InMemoryJobRecords)


@pytest.fixture
async def in_postgres(engines: Engines) -> Store:
    return Store(PostgresSystemUnitOfWorkFactory(engines.system), lambda uow: uow.job_records)


@pytest.fixture(params=["in_memory", "in_postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def a_release(number: int = 1, **changes: Any) -> NewJob:
    job = jobs.ReleaseHeld(template_id=TemplateId(UUID(int=number)))
    fields: dict[str, Any] = {"tenant_id": TENANT, "mode": Mode.LIVE, "job": job}
    return NewJob(**(fields | changes))


def a_listing() -> NewJob:
    return NewJob(tenant_id=TENANT, mode=Mode.TEST, job=jobs.SyncTemplates(account_id=AccountId(ACCOUNT)))


async def test_jobs_are_counted_by_kind_and_by_how_they_stand(store: Store) -> None:
    await store.enqueue(a_release(1))
    await store.settle(JobEnd.DEAD)
    await store.enqueue(a_release(2, order_key="k"), a_release(3, order_key="k"))
    await store.claim()
    await store.enqueue(a_release(4), a_release(5), a_release(6, due_after=HOUR), a_listing())

    async with store.records() as records:
        releases, listings = await records.counts()

    assert releases == JobCount(
        kind="release_held", due=2, running=1, waiting=2, dead=1, oldest_due_at=releases.oldest_due_at
    )
    assert releases.oldest_due_at is not None
    assert (listings.kind, listings.due, listings.dead) == ("sync_templates", 1, 0)


async def test_dead_jobs_are_listed_newest_first_with_why_they_died(store: Store) -> None:
    for number in (1, 2, 3):
        await store.enqueue(a_release(number))
    await store.enqueue(a_listing())
    await store.settle(JobEnd.DEAD)
    await store.settle(JobEnd.DEAD, lane=JobLane.BULK)
    await store.enqueue(a_release(4))

    listing, third, second, first = await store.dead()

    assert [jobs.decode(job.payload) for job in (third, second, first)] == [a_release(it).job for it in (3, 2, 1)]
    assert (listing.kind, listing.tenant_id, listing.mode) == ("sync_templates", TENANT, Mode.TEST)
    assert (listing.code, listing.reason, listing.attempts) == ("no", "It cannot be.", 1)
    assert listing.died_at >= listing.wanted_at
    assert await store.dead(limit=2) == [listing, third]
    assert await store.dead(before=third.id) == [second, first]
    assert await store.dead(kind="release_held", limit=1) == [third]


async def test_a_dead_job_runs_again_as_if_it_were_new(store: Store) -> None:
    await store.enqueue(a_release(unique_key="one"))
    await store.settle(JobEnd.DEAD)
    [dead] = await store.dead()

    async with store.records() as records:
        assert await records.find(dead.id) == dead
        assert await records.revive(dead.id)

    assert await store.dead() == []
    [claimed] = (await store.claim()).jobs
    assert (claimed.id, claimed.attempts, claimed.unfinished) == (dead.id, 0, 0)


async def test_a_dead_job_whose_work_is_asked_for_again_already_stays_dead(store: Store) -> None:
    await store.enqueue(a_release(unique_key="one"))
    await store.settle(JobEnd.DEAD)
    await store.enqueue(a_release(unique_key="one", due_after=HOUR))
    [dead] = await store.dead()

    async with store.records() as records:
        assert not await records.revive(dead.id)

    assert await store.dead() == [dead]


async def test_a_dead_job_is_gone_when_it_is_discarded(store: Store) -> None:
    await store.enqueue(a_release())
    await store.settle(JobEnd.DEAD)
    [dead] = await store.dead()

    async with store.records() as records:
        await records.discard(dead.id)

    async with store.records() as records:
        assert await records.find(dead.id) is None
        assert await records.counts() == []


async def test_jobs_that_died_long_ago_are_deleted_some_at_a_time(store: Store) -> None:
    await store.enqueue(a_release(1), a_release(2))
    await store.settle(JobEnd.DEAD)
    await store.enqueue(a_release(3))

    async with store.records() as records:
        assert await records.purge(dead_for=HOUR, limit=9) == 0
        assert [await records.purge(dead_for=-HOUR, limit=1) for _ in range(3)] == [1, 1, 0]
    assert await store.dead() == []
    assert len((await store.claim()).jobs) == 1


async def test_only_dead_jobs_are_found(store: Store) -> None:
    await store.enqueue(a_release())
    await store.settle(JobEnd.RETRY)

    async with store.records() as records:
        assert await records.find(JobId(UUID(int=1))) is None
    assert await store.dead() == []
