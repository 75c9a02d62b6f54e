"""Templates read from providers by themselves: whose turn it is, and what follows from how it went."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application import jobs
from messaging.application.ports.outbox import Done, Failed, JobResult, NewJob, Repeat, Wait
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.secrets import CannotDecrypt
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.templates import ReviewedAccount
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.application.templates.sync_due import LISTING_POLICY, PlanTemplateSyncs, SyncDueTemplates
from messaging.application.templates.views import SyncView
from messaging.domain.jobs.retry import RetryIn, after_failure
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.templates.template import Template
from messaging.domain.tenants.tenant import AccountStatus, ProviderAccount, TenantStatus
from tests.builders import ACCOUNT, NOON, TEMPLATE, TENANT, a_claimed_job, a_snapshot, a_template, a_tenant, an_account
from tests.fakes.gateway import ScriptedGateway
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import Counts

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
CONNECTION = Connection(mode=Mode.LIVE, external_id="1", credentials=Credentials(access_token="t", app_secrets=()))
REFUSED = ProviderRefused("provider_refused", "No permission.")
UNAVAILABLE = ProviderUnavailable("provider_unavailable", "No answer.")


class World:
    """One account that is due. `problem` is what the provider answers."""

    def __init__(self, *templates: Template, every: timedelta = HOUR, facts: TenantSnapshot | None = None) -> None:
        self.held = timedelta(0)
        self.problem: Exception | None = None
        self.templates = {template.id: template for template in templates}
        self.read: list[Any] = []
        self.asked: list[NewJob] = []
        self.commits = 0
        self.counts = Counts()
        self.carried = 0
        doubles: Any = {"open_uow": self.open, "sync": self._sync}
        self.use_case = SyncDueTemplates(
            snapshots=InMemorySnapshots(facts or a_snapshot()),
            open_connection=self._connect,
            held_for=self._held_for,
            telemetry=self.counts,
            every=every,
            **doubles,
        )
        self.plan = PlanTemplateSyncs(
            open_uow=cast(OpenSystemUnitOfWork, self.open_system),
            registries={"whatsapp_cloud": ScriptedGateway()},
            every=every,
        )

    async def run(self) -> JobResult:
        return await self.use_case(jobs.SyncTemplates(account_id=ACCOUNT), a_claimed_job())

    async def _connect(self, account: ProviderAccount) -> Connection:
        return CONNECTION

    async def _held_for(self, account_id: AccountId) -> timedelta:
        return self.held

    async def _sync(self, account: ProviderAccount, connection: Connection, *, asked_at: Any) -> SyncView:
        if self.problem is not None:
            raise self.problem
        self.read.append((account.id, asked_at))
        return SyncView(added=1, changed=0, removed=0, unchanged=0)

    @asynccontextmanager
    async def open_system(self) -> AsyncIterator[Any]:
        yield SimpleNamespace(sync_schedule=self, outbox=self, commit=self._commit)

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Any]:
        yield SimpleNamespace(reviewed_templates=self, outbox=self, commit=self._commit)

    async def _commit(self) -> None:
        self.commits += 1

    async def carry_over(self) -> int:
        self.carried += 1
        return 0

    async def unscheduled(self, providers: Collection[str]) -> Sequence[ReviewedAccount]:
        return [ReviewedAccount(tenant_id=TENANT, mode=Mode.TEST, account_id=ACCOUNT)]

    async def enqueue(self, wanted: Sequence[NewJob]) -> None:
        self.asked += wanted

    async def lock_templates(self, account_id: AccountId) -> tuple[Sequence[Template], None]:
        return list(self.templates.values()), None

    async def update_template(self, template: Template) -> None:
        self.templates[template.id] = template


async def test_an_account_that_is_due_is_read_and_has_its_next_turn_about_an_interval_later() -> None:
    world = World()

    result = await world.run()

    assert isinstance(result, Repeat)
    assert 0.9 * HOUR <= result.after <= 1.1 * HOUR
    assert world.read == [(ACCOUNT, NOON)]
    assert world.counts.seen == {"template_syncs{outcome=read}": 1}


async def test_accounts_without_a_turn_get_one_in_the_second_half_of_an_interval() -> None:
    world = World()

    assert await world.plan() == 1

    [asked] = world.asked
    assert (asked.job, asked.mode, asked.unique_key) == (
        jobs.SyncTemplates(account_id=ACCOUNT),
        Mode.TEST,
        str(ACCOUNT),
    )
    assert 0.5 * HOUR <= asked.due_after <= HOUR
    assert not asked.hasten
    assert (world.carried, world.commits) == (1, 1)


async def test_without_an_interval_it_is_read_when_asked_for_and_not_again() -> None:
    world = World(every=timedelta(0))

    assert await world.run() == Done()
    assert await world.plan() == 0
    assert (world.asked, world.carried) == ([], 1)


@pytest.mark.parametrize(
    "facts",
    [
        a_snapshot(tenant=a_tenant(status=TenantStatus.SUSPENDED)),
        a_snapshot(accounts=(an_account(status=AccountStatus.DISABLED),)),
        a_snapshot(accounts=()),
        a_snapshot(tenant=a_tenant(id=TenantId(ACCOUNT))),
    ],
    ids=["suspended", "disabled", "no account", "no tenant"],
)
async def test_an_account_that_is_not_active_is_forgotten(facts: TenantSnapshot) -> None:
    world = World(facts=facts)

    assert await world.run() == Done()
    assert world.read == []
    assert world.counts.seen == {"template_syncs{outcome=inactive}": 1}


@pytest.mark.parametrize(("held", "again"), [(SECOND, SECOND), (4 * MINUTE, 4 * MINUTE), (HOUR, 5 * MINUTE)])
async def test_a_provider_that_is_held_is_left_alone_for_so_long(held: timedelta, again: timedelta) -> None:
    world = World()
    world.held = held

    assert await world.run() == Wait(again)
    assert world.read == []


@pytest.mark.parametrize("problem", [UNAVAILABLE, CannotDecrypt()], ids=["unavailable", "undecryptable"])
async def test_what_could_not_be_read_has_failed(problem: Exception) -> None:
    world = World()
    world.problem = problem

    result = await world.run()

    assert isinstance(result, Failed)
    assert (result.code, result.at_least) == ("templates_not_read", timedelta(0))
    assert world.counts.seen == {"template_syncs{outcome=unavailable}": 1}


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 15), (2, 30), (3, 60), (5, 240), (6, 300), (10_000, 300)])
def test_what_failed_is_tried_for_ever_and_more_and_more_slowly(attempts: int, seconds: int) -> None:
    assert after_failure(LISTING_POLICY, attempts=attempts, wanted_at=NOON, now=NOON + 9 * HOUR, chance=0.5) == RetryIn(
        seconds * SECOND
    )


async def test_an_account_that_may_not_be_read_sends_its_changed_templates_as_they_are_known() -> None:
    unchanged = a_template(id=TemplateId(TENANT))
    world = World(a_template(changed_at=NOON), unchanged)
    world.problem = REFUSED

    assert isinstance(await world.run(), Repeat)

    assert world.templates == {TEMPLATE: a_template(), unchanged.id: unchanged}
    assert [asked.job for asked in world.asked] == [jobs.ReleaseHeld(template_id=TEMPLATE)]
    assert world.asked[0].due_after == 2 * SECOND
    assert world.counts.seen == {"template_syncs{outcome=refused}": 1}
