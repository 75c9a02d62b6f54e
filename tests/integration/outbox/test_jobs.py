"""Jobs on a real database: a worker may die anywhere, several may work at once, and a key keeps its order."""

import asyncio
import sys
from datetime import timedelta

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application import jobs
from messaging.application.crashpoints import EXIT_CODE, POINTS
from messaging.application.jobs import JobLane
from messaging.application.ports.outbox import Claim, ClaimedJob, Done, JobResult, NewJob, Wanted
from messaging.application.ports.unit_of_work import JobsUnitOfWork
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import JobId
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.lab.dev.servers.logins import Logins
from tests.builders import OTHER_TENANT
from tests.integration.outbox.working import Worker, wanted
from tests.logins import as_login
from tests.seeding import a_new_message, accept, seed_other_tenant, seed_tenant

OF_JOBS = sorted(point for point in POINTS if point.startswith("job"))
PROMPT = JobLane.PROMPT


async def execute(engines: Engines, statement: str) -> None:
    async with transaction(engines.system) as opened:
        await opened.driver.execute(statement)
        await opened.commit()


async def count(engines: Engines, condition: str) -> int:
    async with transaction(engines.system) as opened:
        return int(await opened.driver.fetchval(f"SELECT count(*) FROM jobs WHERE {condition}"))


@pytest.fixture
async def worker(engines: Engines) -> Worker:
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    return Worker(engines)


async def enqueue(worker: Worker, *new: NewJob) -> None:
    async with worker.system() as uow:
        await uow.outbox.enqueue(new)
        await uow.commit()


@pytest.mark.parametrize("point", OF_JOBS)
async def test_a_worker_may_die_anywhere_over_a_job(
    worker: Worker, engines: Engines, database: str, logins: Logins, point: str
) -> None:
    """The job is done all the same, and its effect is there once."""
    await enqueue(worker, wanted(1, order_key="k"), wanted(2, order_key="k"))

    urls = (as_login(database, logins.tenants), as_login(database, logins.system))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.outbox.dying", *urls, point)
    )
    assert await process.wait() == EXIT_CODE
    await execute(engines, "UPDATE jobs SET due_at = clock_timestamp()")
    await worker.until_nothing_is_due()

    assert await count(engines, "kind = 'release_held'") == 0
    async with transaction(engines.system) as opened:
        effects = await opened.driver.fetch("SELECT payload ->> 'account_id' AS id FROM jobs ORDER BY seq")
    assert [int(row["id"][-1]) for row in effects] == [1, 2]


class Overlapping(Worker):
    """One of several workers that share `order`, the jobs that ran of each key, and `running`, those that are."""

    def __init__(self, engines: Engines, order: dict[str, list[int]], running: set[str]) -> None:
        super().__init__(engines)
        self._order = order
        self._running = running

    async def exactly_once(self, job: jobs.ReleaseHeld, claimed: ClaimedJob) -> JobResult:
        key = str(claimed.order_key)
        assert key not in self._running, "two jobs of a key at once"
        self._running.add(key)
        self._order.setdefault(key, []).append(job.template_id.int)
        await asyncio.sleep(0)
        self._running.discard(key)
        return Done()


async def test_several_workers_run_the_jobs_of_a_key_one_after_another(engines: Engines, worker: Worker) -> None:
    order: dict[str, list[int]] = {}
    running: set[str] = set()
    keys, numbers = [f"key-{number}" for number in range(4)], list(range(1, 13))
    for number in numbers:
        await enqueue(worker, *(wanted(number, order_key=key) for key in keys))

    async def work(one: Worker) -> None:
        async with asyncio.timeout(120):
            while await count(engines, "kind = 'release_held'"):
                await one.run(PROMPT)
                await one.run.idle()

    await asyncio.gather(*(work(Overlapping(engines, order, running)) for _ in range(3)))

    assert order == dict.fromkeys(keys, numbers)


async def claim(uow: JobsUnitOfWork) -> Claim:
    leases = dict.fromkeys(jobs.KINDS, timedelta(minutes=5))
    async with asyncio.timeout(60):
        return await uow.due_jobs.claim(Wanted(lane=PROMPT, leases=leases, limit=9, most_each=9))


async def test_a_job_is_left_alone_while_another_of_its_key_is_being_claimed(worker: Worker) -> None:
    """It was asked for first, and committed last."""
    async with worker.system() as late:
        await late.outbox.enqueue([wanted(1, order_key="k")])
        await enqueue(worker, wanted(2, order_key="k"))
        async with worker.system() as first, worker.system() as second:
            assert len((await claim(first)).jobs) == 1
            await late.commit()

            found = await claim(second)

            assert (found.jobs, found.followers) == ([], 0)
            await first.commit()


async def test_a_job_is_left_alone_while_the_one_before_it_is_being_settled(worker: Worker) -> None:
    """Else it would be blocked behind one that is gone, and nobody would ever unblock it."""
    await enqueue(worker, wanted(1, order_key="k"))
    async with worker.system() as uow:
        [before] = (await claim(uow)).jobs
        await uow.commit()
    await enqueue(worker, wanted(2, order_key="k"))
    async with worker.system() as settling:
        assert await settling.outbox.complete(before)
        async with worker.system() as uow:
            found = await claim(uow)
            assert (found.jobs, found.followers) == ([], 0)
            await uow.commit()
        await settling.commit()

    await worker.until_nothing_is_due()

    assert worker.ran == [2]


async def test_a_message_can_be_sent_again_and_announced_at_once(worker: Worker, engines: Engines) -> None:
    """The job stands beside the message's dispatch, and neither knows of the other."""
    [key] = await accept(engines, [a_new_message(state=State.QUEUED)])
    await enqueue(worker, wanted(key.message_id.int))

    await worker.until_nothing_is_due()

    assert worker.ran == [key.message_id.int]
    async with transaction(engines.system) as opened:
        assert await opened.driver.fetchval("SELECT kind FROM dispatches") == "deliver"


async def test_a_tenant_with_a_backlog_lets_others_pass(worker: Worker, engines: Engines) -> None:
    await enqueue(worker, *(wanted(number) for number in range(1, 501)))
    other = wanted(1_000)
    await enqueue(
        worker,
        NewJob(tenant_id=OTHER_TENANT, mode=Mode.LIVE, job=other.job),
    )

    await worker.run(PROMPT)
    await worker.run.idle()

    assert 1_000 in worker.ran
    assert len(worker.ran) <= 64


async def test_a_dead_job_is_not_revived_while_the_same_work_is_being_asked_for(
    worker: Worker, engines: Engines
) -> None:
    await enqueue(worker, wanted(1, unique_key="u"))
    await execute(engines, "UPDATE jobs SET status = 'dead', died_at = clock_timestamp()")
    async with transaction(engines.system) as opened:
        id = JobId(await opened.driver.fetchval("SELECT id FROM jobs"))

    async with worker.system() as asking, worker.system() as reviving:
        await asking.outbox.enqueue([wanted(2, unique_key="u")])
        revived = asyncio.create_task(reviving.job_records.revive(id))
        async with asyncio.timeout(60):
            while not await _is_anybody_waiting(engines):
                await asyncio.sleep(0.01)
        await asking.commit()

        assert await revived is False


async def _is_anybody_waiting(engines: Engines) -> bool:
    async with transaction(engines.system) as opened:
        return bool(await opened.driver.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))
