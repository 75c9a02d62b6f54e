"""A worker of jobs on a real database. A release is done by asking for a listing, in the transaction of its own end."""

import asyncio
from uuid import UUID

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application import jobs
from messaging.application.jobs import JobLane
from messaging.application.outbox.registry import JobRegistry, register
from messaging.application.outbox.run_due_jobs import RunDueJobs
from messaging.application.outbox.run_job import RunJob
from messaging.application.ports.outbox import ClaimedJob, Done, JobResult, NewJob
from messaging.domain.shared.ids import AccountId, TemplateId
from messaging.domain.shared.mode import Mode
from tests.builders import TENANT
from tests.unit.application.webhooks.doubles import Counts


class Worker:
    """`ran` are the numbers of the jobs whose handler was called, in order."""

    def __init__(self, engines: Engines) -> None:
        self.open = PostgresUnitOfWorkFactory(engines.app)
        self.system = PostgresSystemUnitOfWorkFactory(engines.system)
        self.ran: list[int] = []
        registry = JobRegistry(
            register(jobs.ReleaseHeld, self.exactly_once),
            register(jobs.SyncTemplates, self.at_least_once),
            register(jobs.ReleaseCallbacks, self.not_asked_for),
        )
        self.run = RunDueJobs(
            open_uow=self.system, registry=registry, run=RunJob(registry=registry), telemetry=Counts()
        )

    async def exactly_once(self, job: jobs.ReleaseHeld, claimed: ClaimedJob) -> JobResult:
        self.ran.append(job.template_id.int)
        async with self.open(claimed.tenant_id, claimed.mode) as uow:
            await uow.outbox.enqueue([effect(job.template_id.int)])
            if await uow.outbox.complete(claimed):
                await uow.commit()
        return Done()

    async def at_least_once(self, job: jobs.SyncTemplates, claimed: ClaimedJob) -> JobResult:
        self.ran.append(job.account_id.int)
        return Done()

    async def not_asked_for(self, job: jobs.ReleaseCallbacks, claimed: ClaimedJob) -> JobResult:
        return Done()

    async def until_nothing_is_due(self, lane: JobLane = JobLane.PROMPT) -> None:
        async with asyncio.timeout(120):
            while await self.run(lane):
                await self.run.idle()


def effect(number: int) -> NewJob:
    return NewJob(tenant_id=TENANT, mode=Mode.LIVE, job=jobs.SyncTemplates(account_id=AccountId(UUID(int=number))))


def wanted(number: int, *, order_key: str | None = None, unique_key: str | None = None) -> NewJob:
    job = jobs.ReleaseHeld(template_id=TemplateId(UUID(int=number)))
    return NewJob(tenant_id=TENANT, mode=Mode.LIVE, job=job, order_key=order_key, unique_key=unique_key)
