"""The fake and Postgres hand out the same jobs, in the same order, and settle them alike."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application import jobs
from messaging.application.jobs import JobLane
from messaging.application.ports.outbox import Claim, ClaimedJob, JobEnd, NewJob, Settled, Wanted
from messaging.application.ports.unit_of_work import JobsUnitOfWork
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, OTHER_TENANT, TENANT
from tests.fakes.outbox import InMemoryJobs

LEASES = {"sync_templates": timedelta(minutes=5), "release_held": timedelta(minutes=5)}
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


class Store(NamedTuple):
    """`pass_time` lets every job's times be so much longer ago."""

    open_uow: Callable[[], AbstractAsyncContextManager[JobsUnitOfWork]]
    pass_time: Callable[[timedelta], Awaitable[None]]

    async def enqueue(self, *wanted: NewJob) -> None:
        async with self.open_uow() as uow:
            await uow.outbox.enqueue(wanted)
            await uow.commit()

    async def claim(self, *, lane: JobLane = JobLane.PROMPT, limit: int = 10, **changes: Any) -> Claim:
        fields: dict[str, Any] = {"lane": lane, "leases": LEASES, "limit": limit, "most_each": limit} | changes
        async with self.open_uow() as uow:
            claim = await uow.due_jobs.claim(Wanted(**fields))
            await uow.commit()
        return claim

    async def take(self, **changes: Any) -> ClaimedJob:
        [claimed] = (await self.claim(**changes)).jobs
        return claimed

    async def suspects(self) -> Sequence[ClaimedJob]:
        async with self.open_uow() as uow:
            claim = await uow.due_jobs.claim_suspect(JobLane.PROMPT, LEASES)
            await uow.commit()
        return claim.jobs

    async def settle(self, claimed: ClaimedJob, end: JobEnd, **changes: Any) -> bool:
        async with self.open_uow() as uow:
            held = await uow.due_jobs.settle([Settled(claimed=claimed, end=end, **changes)])
            await uow.commit()
        assert held in ({claimed.id}, set())
        return bool(held)


SHIFT = """
UPDATE jobs SET due_at = due_at - $1::interval, wanted_at = wanted_at - $1::interval,
    again_at = again_at - $1::interval
"""


@pytest.fixture
async def in_memory() -> Store:
    fake = InMemoryJobs()

    async def move(by: timedelta) -> None:
        fake.now += by

    return Store(fake.open_uow, move)


@pytest.fixture
async def postgres_jobs(engines: Engines) -> Store:
    async def shift(by: timedelta) -> None:
        async with transaction(engines.system) as opened:
            await opened.driver.execute(SHIFT, by)
            await opened.commit()

    return Store(PostgresSystemUnitOfWorkFactory(engines.system), shift)


@pytest.fixture(params=["in_memory", "postgres_jobs"])
def store(request: pytest.FixtureRequest) -> Store:
    found: Store = request.getfixturevalue(request.param)
    return found


def a_job(number: int = 1, *, tenant: TenantId = TENANT, **changes: Any) -> NewJob:
    """Distinguishable by its template's number."""
    job = jobs.ReleaseHeld(template_id=TemplateId(UUID(int=number)))
    fields: dict[str, Any] = {"tenant_id": tenant, "mode": Mode.LIVE, "job": job}
    return NewJob(**(fields | changes))


def numbers(claimed: Sequence[ClaimedJob]) -> list[int]:
    found = [jobs.decode(one.payload) for one in claimed]
    return [job.template_id.int for job in found if isinstance(job, jobs.ReleaseHeld)]


async def test_a_job_is_claimed_when_it_is_due_by_one_worker_and_gone_when_it_is_done(store: Store) -> None:
    await store.enqueue(a_job(1), a_job(2, due_after=MINUTE))

    claimed = await store.take()

    assert numbers([claimed]) == [1]
    assert (claimed.kind, claimed.tenant_id, claimed.mode) == ("release_held", TENANT, Mode.LIVE)
    assert (claimed.attempts, claimed.unfinished, claimed.order_key) == (0, 0, None)
    assert claimed.wanted_at <= claimed.claimed_at
    assert (await store.claim()).jobs == []
    assert await store.settle(claimed, JobEnd.DONE)
    await store.pass_time(10 * MINUTE)
    assert numbers([await store.take()]) == [2]


async def test_what_is_not_committed_is_not_there(store: Store) -> None:
    async with store.open_uow() as uow:
        await uow.outbox.enqueue([a_job()])

    assert (await store.claim()).jobs == []


async def test_the_due_time_may_be_an_instant(store: Store) -> None:
    await store.enqueue(a_job(1))
    first = await store.take()
    await store.enqueue(
        a_job(2, due_at=first.claimed_at + MINUTE, due_after=9 * MINUTE), a_job(3, due_at=first.claimed_at - MINUTE)
    )

    assert numbers((await store.claim()).jobs) == [3]
    await store.pass_time(2 * MINUTE)
    assert numbers((await store.claim()).jobs) == [2]


async def test_lanes_and_kinds_are_claimed_apart(store: Store) -> None:
    listing = NewJob(tenant_id=TENANT, mode=Mode.TEST, job=jobs.SyncTemplates(account_id=AccountId(ACCOUNT)))
    await store.enqueue(listing, a_job(1))

    async with store.open_uow() as uow:
        assert await uow.due_jobs.lanes_due([JobLane.PROMPT, JobLane.BULK]) == {JobLane.PROMPT, JobLane.BULK}
        assert await uow.due_jobs.lanes_due([JobLane.BULK]) == {JobLane.BULK}
    assert (await store.claim(leases={"sync_templates": MINUTE})).jobs == []
    claimed = await store.take(lane=JobLane.BULK)
    assert (jobs.decode(claimed.payload), claimed.mode) == (listing.job, Mode.TEST)
    assert numbers([await store.take()]) == [1]
    async with store.open_uow() as uow:
        assert await uow.due_jobs.lanes_due(list(JobLane)) == set()


async def test_a_claim_that_is_not_settled_lapses_and_the_former_worker_can_settle_nothing(store: Store) -> None:
    await store.enqueue(a_job())
    lost = await store.take()
    await store.pass_time(6 * MINUTE)

    again = await store.take()

    assert (again.id, again.epoch, again.unfinished) == (lost.id, lost.epoch + 1, 1)
    assert not await store.settle(lost, JobEnd.DONE)
    async with store.open_uow() as uow:
        assert not await uow.outbox.complete(lost)
    assert await store.settle(again, JobEnd.DONE)
    assert not await store.settle(again, JobEnd.DONE)


@pytest.mark.parametrize(
    ("end", "attempts"), [(JobEnd.RETRY, 1), (JobEnd.WAIT, 0), (JobEnd.REPEAT, 0)], ids=lambda it: str(it)
)
async def test_a_job_that_goes_on_runs_again_after_its_wait(store: Store, end: JobEnd, attempts: int) -> None:
    await store.enqueue(a_job())
    first = await store.take()
    assert await store.settle(first, end, after=MINUTE, code="busy", reason="Not now.")

    assert (await store.claim()).jobs == []
    await store.pass_time(2 * MINUTE)
    again = await store.take()

    assert (again.id, again.attempts, again.unfinished) == (first.id, attempts, 0)
    assert (again.claimed_at - again.wanted_at < 2 * MINUTE) is (end is JobEnd.REPEAT)


async def test_a_dead_job_runs_no_more(store: Store) -> None:
    await store.enqueue(a_job(unique_key="one"))
    await store.settle(await store.take(), JobEnd.DEAD, code="refused", reason="No.")

    await store.pass_time(60 * MINUTE)
    assert (await store.claim()).jobs == []
    # It does not stand in the way of a new one.
    await store.enqueue(a_job(unique_key="one"))
    assert len((await store.claim()).jobs) == 1


async def test_of_a_unique_key_there_is_one_job_which_is_hastened_by_asking_again(store: Store) -> None:
    await store.enqueue(a_job(1, unique_key="one", due_after=5 * MINUTE), a_job(1, unique_key="one", due_after=MINUTE))
    await store.enqueue(a_job(1, unique_key="one", due_after=3 * MINUTE))
    await store.enqueue(a_job(1, unique_key="one", hasten=False))
    await store.enqueue(a_job(2, unique_key="one", tenant=OTHER_TENANT), a_job(3, unique_key="one", mode=Mode.TEST))

    assert sorted(numbers((await store.claim()).jobs)) == [2, 3]
    await store.pass_time(2 * MINUTE)
    assert numbers((await store.claim()).jobs) == [1]
    await store.pass_time(2 * MINUTE)
    assert (await store.claim()).jobs == []


async def test_what_is_asked_for_while_it_runs_runs_once_more(store: Store) -> None:
    await store.enqueue(a_job(unique_key="one"))
    first = await store.take()
    await store.enqueue(a_job(unique_key="one"))
    await store.enqueue(a_job(unique_key="one"))
    assert (await store.claim()).jobs == []

    assert await store.settle(first, JobEnd.DONE)
    again = await store.take()

    assert (again.id, again.attempts) == (first.id, 0)
    assert await store.settle(again, JobEnd.DONE)
    assert (await store.claim()).jobs == []


async def test_what_failed_keeps_its_wait_when_it_is_asked_for_again(store: Store) -> None:
    await store.enqueue(a_job(unique_key="one"))
    await store.settle(await store.take(), JobEnd.RETRY, after=MINUTE)
    await store.enqueue(a_job(unique_key="one"))

    assert (await store.claim()).jobs == []


async def test_a_job_is_completed_with_its_effects_or_not_at_all(store: Store) -> None:
    await store.enqueue(a_job(1))
    claimed = await store.take()
    async with store.open_uow() as uow:
        assert await uow.outbox.complete(claimed)
        await uow.outbox.enqueue([a_job(2)])
    assert (await store.claim()).jobs == [], "it was not committed"

    async with store.open_uow() as uow:
        assert await uow.outbox.complete(claimed)
        await uow.outbox.enqueue([a_job(2)])
        await uow.commit()

    assert not await store.settle(claimed, JobEnd.DONE)
    assert numbers((await store.claim()).jobs) == [2]


async def test_jobs_of_a_key_run_one_after_another_in_the_order_they_were_asked_for(store: Store) -> None:
    await store.enqueue(a_job(1, order_key="k"), a_job(2, order_key="k"), a_job(3, order_key="k"), a_job(9))
    await store.enqueue(a_job(4, order_key="other"))
    await store.enqueue(a_job(5, order_key="k", tenant=OTHER_TENANT))

    claim = await store.claim()
    assert sorted(numbers(claim.jobs)) == [1, 4, 5, 9]
    assert claim.followers == 2

    first = next(one for one in claim.jobs if numbers([one]) == [1])
    await store.settle(first, JobEnd.RETRY, after=MINUTE)
    assert (await store.claim()).jobs == [], "those behind it wait for its retry"
    await store.pass_time(2 * MINUTE)
    await store.settle(await store.take(), JobEnd.DONE)
    second = await store.take()
    assert numbers([second]) == [2]
    await store.settle(second, JobEnd.DEAD, code="no", reason="No.")
    assert numbers([await store.take()]) == [3], "a dead one lets the next pass"


async def test_a_job_that_repeats_goes_behind_the_others_of_its_key(store: Store) -> None:
    await store.enqueue(a_job(1, order_key="k"), a_job(2, order_key="k"))
    claim = await store.claim()
    await store.settle(claim.jobs[0], JobEnd.REPEAT)

    seen = []
    for _ in range(4):
        for one in (await store.claim()).jobs:
            seen += numbers([one])
            await store.settle(one, JobEnd.DONE)
    assert seen == [2, 1]


async def test_tenants_take_turns_and_none_has_more_than_its_part(store: Store) -> None:
    await store.enqueue(*(a_job(number) for number in range(1, 21)))
    await store.enqueue(*(a_job(number, tenant=OTHER_TENANT) for number in range(101, 105)))
    first, second = sorted([TENANT, OTHER_TENANT])

    claim = await store.claim(limit=4)
    assert sorted(one.tenant_id for one in claim.jobs) == [first, first, second, second]
    assert [(await store.take(limit=1, behind=first)).tenant_id for _ in range(2)] == [second, second]
    assert (await store.take(limit=1, behind=second)).tenant_id == first
    assert {one.tenant_id for one in (await store.claim(busy=[OTHER_TENANT], most_each=3)).jobs} == {TENANT}


async def test_a_part_is_never_more_than_a_tenant_may_have(store: Store) -> None:
    await store.enqueue(*(a_job(number) for number in range(1, 6)))

    assert numbers((await store.claim(most_each=3)).jobs) == [1, 2, 3]


async def test_a_job_whose_runs_end_without_a_word_is_claimed_by_itself_only(store: Store) -> None:
    await store.enqueue(a_job(1))
    for unfinished in (0, 1):
        assert (await store.take()).unfinished == unfinished
        await store.pass_time(6 * MINUTE)

    assert (await store.claim()).jobs == []
    [suspect] = await store.suspects()
    assert suspect.unfinished == 2
    assert await store.suspects() == []
    await store.settle(suspect, JobEnd.WAIT)
    assert (await store.take()).unfinished == 0, "a word about its end clears it"
