"""Reading templates from providers by itself: who has a turn, who is asked for, and what a failure costs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast

import pytest

from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application import jobs
from messaging.application.callbacks.watching.switch import ReleaseCallbacks
from messaging.application.jobs import JobLane
from messaging.application.messages.operating.release_held import ReleaseHeld
from messaging.application.outbox.registry import JobRegistry, register
from messaging.application.outbox.run_due_jobs import RunDueJobs
from messaging.application.outbox.run_job import RunJob
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.application.templates.requests import listing
from messaging.application.templates.sync import SyncAccount
from messaging.application.templates.sync_due import LISTING_POLICY, PlanTemplateSyncs, SyncDueTemplates
from messaging.application.templates.views import SyncView
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.tenant import AccountStatus, ProviderAccount
from tests.builders import ACCOUNT, NOON, TEMPLATE, TENANT, a_template, an_account
from tests.fakes.gateway import ScriptedGateway
from tests.seeding import seed_tenant
from tests.unit.application.webhooks.doubles import Counts

HOUR = timedelta(hours=1)


class World:
    """A worker's jobs, with a provider of the test. `result` is what a reading comes to; `meanwhile` is done while the
    provider is being asked.
    """

    def __init__(self, engines: Engines, *, every: timedelta = HOUR) -> None:
        self.engines = engines
        self.system = PostgresSystemUnitOfWorkFactory(engines.system)
        self.counts = Counts()
        self.held = timedelta(0)
        self.result: Exception | None = None
        self.asked: list[datetime] = []
        self.ask_meanwhile = False
        self.plan = PlanTemplateSyncs(
            open_uow=self.system, registries={"whatsapp_cloud": ScriptedGateway()}, every=every
        )
        sync_due = SyncDueTemplates(
            open_uow=PostgresUnitOfWorkFactory(engines.app),
            snapshots=PostgresSnapshots(engines.system),
            open_connection=self.connect,
            sync=cast(SyncAccount, self.read),
            held_for=self.held_for,
            telemetry=self.counts,
            every=every,
        )
        registry = JobRegistry(
            register(jobs.SyncTemplates, sync_due, policy=LISTING_POLICY),
            register(jobs.ReleaseHeld, ReleaseHeld(open_uow=self.system)),
            register(jobs.ReleaseCallbacks, ReleaseCallbacks(open_uow=self.system)),
        )
        self.jobs = RunDueJobs(
            open_uow=self.system,
            registry=registry,
            run=RunJob(registry=registry, chance=lambda: 0.5),
            telemetry=Counts(),
        )

    async def run(self) -> int:
        """How many accounts were due."""
        count = await self.jobs(JobLane.BULK)
        await self.jobs.idle()
        return count

    async def connect(self, account: ProviderAccount) -> Connection:
        return Connection(mode=account.mode, external_id="1", credentials=Credentials(access_token="t", app_secrets=()))

    async def read(self, account: ProviderAccount, connection: Connection, *, asked_at: datetime) -> SyncView:
        self.asked.append(asked_at)
        if self.ask_meanwhile:
            self.ask_meanwhile = False
            await self.ask()
            assert await self.jobs(JobLane.BULK) == 0, "one worker at a time"
        if self.result is not None:
            raise self.result
        return SyncView(added=0, changed=0, removed=0, unchanged=1)

    async def held_for(self, account_id: AccountId) -> timedelta:
        return self.held

    async def ask(self) -> None:
        async with self.system() as uow:
            await uow.outbox.enqueue([listing(TENANT, Mode.LIVE, ACCOUNT)])
            await uow.commit()

    async def waits(self) -> Sequence[float]:
        """Seconds until each account is due."""
        async with self.engines.system.connect() as connection:
            rows = await connection.exec_driver_sql(
                "SELECT extract(epoch FROM due_at - clock_timestamp()) AS wait FROM jobs WHERE kind = 'sync_templates'"
            )
            return [float(row.wait) for row in rows]

    async def execute(self, statement: str, *arguments: Any) -> None:
        async with self.engines.system.connect() as connection:
            await connection.exec_driver_sql(statement, arguments)

    @property
    def outcomes(self) -> list[str]:
        return sorted(self.counts.seen)


@pytest.fixture
async def world(engines: Engines) -> World:
    await seed_tenant(engines)
    return World(engines)


async def test_every_active_account_gets_a_turn_at_a_random_moment(world: World) -> None:
    assert [await world.plan(), await world.plan()] == [1, 0]

    (wait,) = await world.waits()
    assert 0.45 * 3600 < wait <= 3600
    assert await world.run() == 0


async def test_what_is_asked_for_is_read_at_once_and_then_has_its_turn_again(world: World) -> None:
    await world.plan()
    await world.ask()

    assert [await world.run(), await world.run()] == [1, 0]

    assert len(world.asked) == 1
    (wait,) = await world.waits()
    assert 0.85 * 3600 < wait < 1.15 * 3600
    assert world.outcomes == ["template_syncs{outcome=read}"]


async def test_what_is_asked_for_while_it_is_being_read_is_read_once_more(world: World) -> None:
    await world.ask()
    world.ask_meanwhile = True

    assert [await world.run(), await world.run(), await world.run()] == [1, 1, 0]

    assert len(world.asked) == 2


async def test_after_a_failure_it_is_tried_again_and_more_and_more_slowly(world: World) -> None:
    await world.ask()
    world.result = ProviderUnavailable("provider_unavailable", "It is away.")

    await world.run()
    (first,) = await world.waits()
    await world.execute("UPDATE jobs SET due_at = clock_timestamp(), attempts = 9")
    await world.run()
    (later,) = await world.waits()

    assert first <= 15 < 200 < later <= 300
    assert world.outcomes == ["template_syncs{outcome=unavailable}"]


async def test_an_account_that_is_held_is_left_alone(world: World) -> None:
    await world.ask()
    world.held = timedelta(seconds=90)

    await world.run()

    (wait,) = await world.waits()
    assert world.asked == []
    assert 60 < wait <= 90
    assert world.outcomes == ["template_syncs{outcome=held}"]


async def test_an_account_that_may_not_read_its_templates_sends_them_all_the_same(world: World) -> None:
    async with PostgresUnitOfWorkFactory(world.engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.reviewed_templates.update_template(a_template(changed_at=NOON))
        await uow.commit()
    await world.ask()
    world.result = ProviderRefused("provider_refused", "Missing permission.")

    await world.run()

    async with PostgresUnitOfWorkFactory(world.engines.app)(TENANT, Mode.LIVE) as uow:
        assert await uow.templates.template(TEMPLATE) == a_template()
    assert world.outcomes == ["template_syncs{outcome=refused}"]


async def test_an_account_that_is_switched_off_has_no_turn(world: World) -> None:
    async with PostgresUnitOfWorkFactory(world.engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.accounts.update_account(an_account(status=AccountStatus.DISABLED))
        await uow.commit()
    await world.ask()

    await world.run()

    assert (world.asked, await world.waits(), await world.plan()) == ([], [], 0)


async def test_without_an_interval_templates_are_read_when_asked_for_only(engines: Engines) -> None:
    await seed_tenant(engines)
    world = World(engines, every=timedelta(0))

    assert await world.plan() == 0
    await world.ask()
    assert await world.run() == 1
    assert await world.waits() == []


async def test_what_a_worker_of_an_earlier_release_asked_for_is_carried_over(world: World) -> None:
    for kind, subject in (("sync_templates", ACCOUNT), ("release_held", TEMPLATE)):
        await world.execute(
            "INSERT INTO dispatches (tenant_id, subject_id, kind, due_at) VALUES ($1, $2, $3, clock_timestamp())",
            *(TENANT, subject, kind),
        )

    assert await world.plan() == 0

    assert await world.run() == 1
    assert await world.jobs(JobLane.PROMPT) == 1
    await world.jobs.idle()
    assert len(world.asked) == 1
    async with world.engines.system.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM dispatches")).scalar_one() == 0
