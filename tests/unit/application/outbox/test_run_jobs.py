"""Jobs are run side by side, settled by what came of them, and one that may end its worker runs alone."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.application import jobs
from messaging.application.jobs import JobLane
from messaging.application.outbox import run_due_jobs
from messaging.application.outbox.registry import JobRegistry, register
from messaging.application.outbox.run_due_jobs import AT_ONCE, RunDueJobs
from messaging.application.outbox.run_job import RunJob
from messaging.application.ports.outbox import ClaimedJob, Done, Failed, Hopeless, JobResult, NewJob, Repeat, Wait
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.jobs.retry import DEAD_AFTER, JobPolicy
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode
from tests.builders import OTHER_TENANT, TENANT
from tests.fakes.outbox import InMemoryJobs, Row
from tests.unit.application.webhooks.doubles import Counts

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
POLICY = JobPolicy(first_wait=10 * SECOND, jitter=0.5, most_attempts=3)
PROMPT, BULK = JobLane.PROMPT, JobLane.BULK


async def nothing(job: object, claimed: ClaimedJob) -> JobResult:
    """The handler of a kind that a test does not ask for."""
    return Done()


class World:
    """One process. `result` is what a handler comes to; jobs are known by their template's number."""

    def __init__(self, *, timeout: timedelta = MINUTE) -> None:
        self.store = InMemoryJobs()
        self.result: JobResult | Exception = Done()
        self.began: list[int] = []
        self.running: set[int] = set()
        self.most = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.meanwhile: Callable[[ClaimedJob], Awaitable[None]] | None = None
        self.counts = Counts()
        registry = JobRegistry(
            register(jobs.ReleaseHeld, self.release, policy=POLICY, timeout=timeout),
            register(jobs.SyncTemplates, self.sync),
            register(jobs.ReleaseCallbacks, nothing),
        )
        self.run = RunDueJobs(
            open_uow=self.store.open_uow,
            registry=registry,
            run=RunJob(registry=registry, chance=lambda: 1.0),
            telemetry=self.counts,
        )

    async def release(self, job: jobs.ReleaseHeld, claimed: ClaimedJob) -> JobResult:
        return await self._handle(job.template_id.int, claimed)

    async def sync(self, job: jobs.SyncTemplates, claimed: ClaimedJob) -> JobResult:
        return await self._handle(job.account_id.int, claimed)

    async def _handle(self, number: int, claimed: ClaimedJob) -> JobResult:
        self.began.append(number)
        self.running.add(number)
        self.most = max(self.most, len(self.running))
        try:
            await self.may_end.wait()
            if self.meanwhile is not None:
                await self.meanwhile(claimed)
        finally:
            self.running.discard(number)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result

    async def enqueue(self, *numbers: int, **changes: Any) -> None:
        fields: dict[str, Any] = {"tenant_id": TENANT, "mode": Mode.LIVE} | changes
        async with self.store.open_uow() as uow:
            await uow.outbox.enqueue(
                [NewJob(job=jobs.ReleaseHeld(template_id=TemplateId(UUID(int=it))), **fields) for it in numbers]
            )
            await uow.commit()

    async def finish(self, lane: JobLane = PROMPT) -> None:
        """Run what is due until nothing is, and wait for its end."""
        while await self.run(lane):
            pass
        await self.idle()

    async def idle(self) -> None:
        async with asyncio.timeout(60):
            await self.run.idle()

    @property
    def row(self) -> Row:
        [row] = self.store.rows.values()
        return row


async def test_what_is_due_is_run_once_and_gone() -> None:
    world = World()
    await world.enqueue(1, 2, 3)

    assert await world.run(PROMPT) == 3
    assert await world.run(PROMPT) == 0
    await world.idle()

    assert world.began == [1, 2, 3]
    assert world.store.rows == {}
    assert world.counts.seen == {"jobs_run{end=done,kind=release_held}": 3}


async def test_lanes_do_not_wait_for_each_other() -> None:
    world = World()
    world.may_end.clear()
    await world.enqueue(1)
    async with world.store.open_uow() as uow:
        listing = jobs.SyncTemplates(account_id=AccountId(UUID(int=2)))
        await uow.outbox.enqueue([NewJob(tenant_id=TENANT, mode=Mode.LIVE, job=listing)])
        await uow.commit()

    assert await world.run(PROMPT) == await world.run(BULK) == 1
    await asyncio.sleep(0)
    assert world.running == {1, 2}
    world.may_end.set()
    await world.idle()


@pytest.mark.parametrize(
    ("result", "status", "wait", "attempts", "end"),
    [
        (Repeat(MINUTE), "waiting", MINUTE, 0, "repeat"),
        (Wait(SECOND), "waiting", SECOND, 0, "wait"),
        (StoreUnavailable(), "waiting", SECOND, 0, "wait"),
        (Failed(code="busy", reason="r"), "waiting", 15 * SECOND, 1, "retry"),
        (Failed(code="busy", reason="r", at_least=MINUTE), "waiting", MINUTE, 1, "retry"),
        (ZeroDivisionError(), "waiting", 15 * SECOND, 1, "retry"),
        (Hopeless(code="no", reason="r"), "dead", None, 1, "dead"),
    ],
)
async def test_what_comes_of_a_run_decides_what_becomes_of_the_job(
    result: JobResult | Exception, status: str, wait: timedelta | None, attempts: int, end: str
) -> None:
    world = World()
    world.result = result
    await world.enqueue(1)

    await world.finish()

    assert (world.row.status, world.row.attempts, world.row.unfinished) == (status, attempts, 0)
    assert wait is None or world.row.due_at == world.store.now + wait
    assert world.counts.seen == {f"jobs_run{{end={end},kind=release_held}}": 1}


async def test_a_job_that_fails_too_often_is_dead_and_tells_why() -> None:
    world = World()
    world.result = Failed(code="busy", reason="Nobody answers.")
    await world.enqueue(1)

    for _ in range(3):
        await world.finish()
        world.store.now += MINUTE

    assert (world.row.status, world.row.attempts) == ("dead", 3)
    assert (world.row.error_code, world.row.error_reason) == ("busy", "Nobody answers.")


async def test_a_run_that_takes_too_long_has_failed() -> None:
    world = World(timeout=timedelta(0))
    world.may_end.clear()
    await world.enqueue(1)

    await world.finish()

    assert (world.row.status, world.row.error_code) == ("waiting", "timeout")


async def test_a_job_that_this_release_cannot_read_is_dead() -> None:
    world = World()
    await world.enqueue(1)
    world.row.payload = '{"type": "release_held", "template_id": 7}'

    await world.finish()

    assert (world.row.status, world.row.error_code, world.began) == ("dead", "unreadable", [])


async def test_a_process_runs_no_more_at_once_than_it_may_and_goes_on_when_there_is_room() -> None:
    world = World()
    world.may_end.clear()
    many = AT_ONCE[PROMPT] + 10
    await world.enqueue(*range(40))
    await world.enqueue(*range(40, many), tenant_id=TenantId(OTHER_TENANT))

    assert await world.run(PROMPT) == AT_ONCE[PROMPT]
    waiting = asyncio.create_task(world.run(PROMPT))
    await asyncio.sleep(0)
    assert not waiting.done()
    world.may_end.set()
    await waiting
    await world.finish()

    assert (len(world.began), world.most) == (many, AT_ONCE[PROMPT])


async def test_one_tenant_leaves_room_for_the_next() -> None:
    world = World()
    world.may_end.clear()
    await world.enqueue(*range(1, 200))
    await world.run(PROMPT)
    await asyncio.sleep(0)
    assert len(world.running) == 48
    await world.enqueue(1000, tenant_id=TenantId(OTHER_TENANT))

    assert await world.run(PROMPT) == 1
    await asyncio.sleep(0)
    assert 1000 in world.running
    world.may_end.set()
    await world.finish()


async def test_a_suspect_waits_for_all_others_and_runs_alone() -> None:
    world = World()
    world.may_end.clear()
    await world.enqueue(1, 2)
    for row in world.store.rows.values():
        row.unfinished = 2 if '"00000000-0000-0000-0000-000000000002"' in row.payload else 0

    run = asyncio.create_task(world.run(PROMPT))
    async with asyncio.timeout(60):
        while not world.running:
            await asyncio.sleep(0)
    await world.enqueue(3)
    beside = asyncio.create_task(world.run(PROMPT))
    for _ in range(20):
        await asyncio.sleep(0)
    assert world.running == {1}
    world.may_end.set()
    await asyncio.gather(run, beside)
    await world.finish()

    assert (world.began, world.most, world.store.rows) == ([1, 2, 3], 1, {})


async def test_a_job_that_ended_every_worker_is_dead_without_another_run() -> None:
    world = World()
    await world.enqueue(1)
    world.row.unfinished = DEAD_AFTER

    await world.finish()

    assert (world.row.status, world.row.error_code, world.began) == ("dead", "ends_its_worker", [])


async def test_what_a_stopping_process_cannot_end_is_given_back() -> None:
    world = World()
    world.may_end.clear()
    await world.enqueue(1)
    await world.run(PROMPT)
    await asyncio.sleep(0)

    await world.run.drain(within=0.0)

    assert (world.row.status, world.row.attempts, world.row.unfinished) == ("waiting", 0, 0)
    assert world.row.due_at == world.store.now
    assert await world.run(PROMPT) == 0


async def test_what_a_stopping_process_can_end_is_ended() -> None:
    world = World()
    world.may_end.clear()
    await world.enqueue(1)
    await world.run(PROMPT)
    await asyncio.sleep(0)
    draining = asyncio.create_task(world.run.drain(within=60.0))
    await asyncio.sleep(0)
    world.may_end.set()

    await draining

    assert world.store.rows == {}


async def test_an_end_is_written_when_the_store_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_due_jobs, "_SETTLE_AGAIN", 0.0)
    world = World()
    await world.enqueue(1)

    async def lose_the_store(claimed: ClaimedJob) -> None:
        world.store.away = True
        asyncio.get_running_loop().call_later(0.01, setattr, world.store, "away", False)

    world.meanwhile = lose_the_store
    await world.run(PROMPT)
    await world.idle()

    assert (world.began, world.store.rows) == ([1], {})


async def test_a_handler_may_complete_its_job_with_its_effects() -> None:
    world = World()
    await world.enqueue(1)

    async def complete(claimed: ClaimedJob) -> None:
        async with world.store.open_uow() as uow:
            assert await uow.outbox.complete(claimed)
            await uow.commit()

    world.meanwhile = complete
    await world.finish()

    assert world.store.rows == {}


def test_every_kind_needs_one_handler() -> None:
    async def handle(job: object, claimed: ClaimedJob) -> JobResult:
        return Done()

    release, callbacks = register(jobs.ReleaseHeld, handle), register(jobs.ReleaseCallbacks, handle)
    with pytest.raises(ValueError, match=r"without a handler: \['sync_templates'\]; with more than one: \[\]"):
        JobRegistry(release, callbacks)
    with pytest.raises(ValueError, match=r"without a handler: \[\]; with more than one: \['release_held'\]"):
        JobRegistry(release, callbacks, register(jobs.SyncTemplates, handle), register(jobs.ReleaseHeld, handle))


def test_a_job_is_stored_as_plain_json() -> None:
    job = jobs.ReleaseHeld(template_id=TemplateId(UUID(int=7)))

    assert jobs.encode(job) == '{"type":"release_held","template_id":"00000000-0000-0000-0000-000000000007"}'
    assert jobs.decode(jobs.encode(job)) == job
    assert set(jobs.KINDS) == {"release_callbacks", "release_held", "sync_templates"}
    assert jobs.kind_of(job) == "release_held"
