"""Templates read from providers by themselves: whose turn it is, and what follows from how it went."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from messaging.application.ports.providers import Connection, Credentials, ProviderRefused, ProviderUnavailable
from messaging.application.ports.secrets import CannotDecrypt
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.templates import DueSync
from messaging.application.templates.sync_due import SyncDueTemplates
from messaging.application.templates.views import SyncView
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.templates.template import Template
from messaging.domain.tenants.tenant import AccountStatus, ProviderAccount, TenantStatus
from tests.builders import ACCOUNT, NOON, TEMPLATE, TENANT, a_snapshot, a_template, a_tenant, an_account
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.webhooks.doubles import Counts

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
CONNECTION = Connection(mode=Mode.LIVE, external_id="1", credentials=Credentials(access_token="t"))
REFUSED = ProviderRefused("provider_refused", "No permission.")
UNAVAILABLE = ProviderUnavailable("provider_unavailable", "No answer.")


class World:
    """One account that is due. `ended` is what was written about its turn, and `problem` what the provider answers."""

    def __init__(self, *templates: Template, every: timedelta = HOUR, facts: TenantSnapshot | None = None) -> None:
        self.due: DueSync | None = due()
        self.held = timedelta(0)
        self.problem: Exception | None = None
        self.templates = {template.id: template for template in templates}
        self.read: list[Any] = []
        self.ended: list[tuple[str, timedelta | None]] = []
        self.released: list[TemplateId] = []
        self.commits = 0
        self.counts = Counts()
        doubles: Any = {"open_system_uow": self.open_system, "open_uow": self.open, "sync": self._sync}
        self.use_case = SyncDueTemplates(
            snapshots=InMemorySnapshots(facts or a_snapshot()),
            open_connection=self._connect,
            held_for=self._held_for,
            telemetry=self.counts,
            every=every,
            **doubles,
        )

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
        yield SimpleNamespace(template_syncs=self, commit=self._commit)

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Any]:
        yield SimpleNamespace(reviewed_templates=self, template_requests=self, commit=self._commit)

    async def _commit(self) -> None:
        self.commits += 1

    async def plan(self, every: timedelta) -> int:
        return 7

    async def claim(self, *, lease: timedelta) -> DueSync | None:
        return self.due

    async def done(self, claimed: DueSync, *, next_after: timedelta | None) -> None:
        self.ended.append(("done", next_after))

    async def failed(self, claimed: DueSync, *, again_after: timedelta) -> None:
        self.ended.append(("failed", again_after))

    async def lock_templates(self, account_id: AccountId) -> tuple[Sequence[Template], None]:
        return list(self.templates.values()), None

    async def update_template(self, template: Template) -> None:
        self.templates[template.id] = template

    async def release(self, templates: Collection[tuple[TenantId, TemplateId]]) -> None:
        self.released += [id for _, id in templates]


def due(*, wanted_for: timedelta = MINUTE) -> DueSync:
    return DueSync(tenant_id=TENANT, account_id=ACCOUNT, asked_at=NOON - wanted_for, claimed_at=NOON)


async def test_an_account_that_is_due_is_read_and_has_its_next_turn_about_an_interval_later() -> None:
    world = World()

    assert await world.use_case() == 1

    [(ended, after)] = world.ended
    assert ended == "done"
    assert after is not None
    assert 0.9 * HOUR <= after <= 1.1 * HOUR
    assert world.read == [(ACCOUNT, NOON)]
    assert world.counts.seen == {"template_syncs{outcome=read}": 1}


async def test_nothing_happens_while_none_is_due() -> None:
    world = World()
    world.due = None

    assert await world.use_case() == 0
    assert (world.ended, world.read) == ([], [])


async def test_without_an_interval_it_is_read_when_asked_for_and_not_again() -> None:
    world = World(every=timedelta(0))

    assert await world.use_case() == 1
    assert world.ended == [("done", None)]
    assert await world.use_case.plan() == 0
    assert await World().use_case.plan() == 7


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

    assert await world.use_case() == 1
    assert (world.read, world.ended) == ([], [("done", None)])
    assert world.counts.seen == {"template_syncs{outcome=inactive}": 1}


@pytest.mark.parametrize(("held", "again"), [(SECOND, SECOND), (4 * MINUTE, 4 * MINUTE), (HOUR, 5 * MINUTE)])
async def test_a_provider_that_is_held_is_left_alone_for_so_long(held: timedelta, again: timedelta) -> None:
    world = World()
    world.held = held

    assert await world.use_case() == 1
    assert (world.read, world.ended) == ([], [("failed", again)])


@pytest.mark.parametrize(
    ("wanted_for", "again"),
    [(SECOND, 15 * SECOND), (MINUTE, MINUTE), (HOUR, 5 * MINUTE)],
    ids=["short", "same", "long"],
)
@pytest.mark.parametrize("problem", [UNAVAILABLE, CannotDecrypt()], ids=["unavailable", "undecryptable"])
async def test_what_could_not_be_read_is_tried_again_after_as_long_as_it_has_been_wanted(
    problem: Exception, wanted_for: timedelta, again: timedelta
) -> None:
    world = World()
    world.due, world.problem = due(wanted_for=wanted_for), problem

    assert await world.use_case() == 1
    assert world.ended == [("failed", again)]


async def test_an_account_that_may_not_be_read_sends_its_changed_templates_as_they_are_known() -> None:
    unchanged = a_template(id=TemplateId(TENANT))
    world = World(a_template(changed_at=NOON), unchanged)
    world.problem = REFUSED

    assert await world.use_case() == 1

    assert world.templates == {TEMPLATE: a_template(), unchanged.id: unchanged}
    assert world.released == [TEMPLATE]
    assert [ended for ended, _ in world.ended] == ["done"]
    assert world.counts.seen == {"template_syncs{outcome=refused}": 1}
