"""How senders and a whole tenant are getting on, as far as memory and a few bounded looks tell."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.pacing.account_holds import AccountHolds
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.vitals import Heard
from messaging.application.tenants.find_health import FindHealth, TenantHealthView
from messaging.application.tenants.tell_health import TellHealth
from messaging.application.tenants.views import SenderHealthView
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.pacing.breaker import Breaker, BreakerState, Trouble
from messaging.domain.messages.pacing.pace import Pace
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health, Subject
from messaging.domain.messages.retry import Scope
from messaging.domain.shared.ids import AccountId, Prefix, SenderId, TemplateId, TenantId, typeid
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.templates.template import TemplateStatus
from messaging.domain.tenants.tenant import AccountStatus
from tests.builders import (
    ACCOUNT,
    NOON,
    OTHER_TENANT,
    SENDER,
    a_principal,
    a_sender,
    a_snapshot,
    a_template,
    an_account,
)
from tests.fakes.sender_health import InMemoryHealthRecords
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.tenants.office import refusal
from tests.unit.application.webhooks.doubles import Counts, FixedClock

NOW = 1_000.0


def stopped(*, until: float, trouble: Trouble = Trouble.UNAVAILABLE) -> Health:
    breaker = Breaker(state=BreakerState.OPEN, since=900.0, retry_at=until, trouble=trouble, code="131031")
    return Health(breaker=breaker)


def slowed(*, paused_until: float = 0.0) -> Health:
    """To half of its limit, lowered just now."""
    return Health(pace=Pace(factor=0.5, ceiling=0.6, lowered_at=NOW, paused_until=paused_until))


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# --- one sender -------------------------------------------------------------------------------------------------------


def test_a_healthy_sender_has_nothing_to_tell() -> None:
    assert SenderHealthView.of(HEALTHY, HEALTHY, now=NOW) == SenderHealthView(
        state=BreakerState.CLOSED, scope=None, reason=None, code=None, since=None, retry_at=None, rate_factor=1.0
    )


@pytest.mark.parametrize(
    ("sender", "account", "scope", "until"),
    [
        (stopped(until=1_010), HEALTHY, "sender", 1_010),
        (HEALTHY, stopped(until=1_010), "account", 1_010),
        (stopped(until=1_020), stopped(until=1_010), "sender", 1_020),
        (stopped(until=1_010), stopped(until=1_010), "sender", 1_010),
        (stopped(until=1_010), stopped(until=1_020), "account", 1_020),
    ],
)
def test_whoever_is_held_for_longer_is_told(sender: Health, account: Health, scope: str, until: float) -> None:
    view = SenderHealthView.of(sender, account, now=NOW)

    assert (view.state, view.scope, view.reason, view.code) == ("open", scope, Trouble.UNAVAILABLE, "131031")
    assert (view.since, view.retry_at) == (at(900), at(until))


def test_a_wait_that_is_over_is_not_told() -> None:
    assert SenderHealthView.of(stopped(until=NOW), HEALTHY, now=NOW).retry_at is None


def test_a_rate_is_told_in_hundredths() -> None:
    third = Health(pace=Pace(factor=1 / 3, ceiling=0.6, lowered_at=NOW, paused_until=NOW))

    assert SenderHealthView.of(third, HEALTHY, now=NOW).rate_factor == 0.33


def test_a_complaint_about_speed_lowers_the_rate_and_may_pause_without_a_fault() -> None:
    view = SenderHealthView.of(slowed(), slowed(paused_until=1_005), now=NOW)

    assert (view.state, view.scope, view.since) == ("closed", None, None)
    assert (view.retry_at, view.rate_factor) == (at(1_005), 0.25)


async def test_health_is_told_of_each_sender_and_not_at_all_while_nobody_can_be_asked() -> None:
    records = InMemoryHealthRecords()
    records.records[Subject(Scope.ACCOUNT, ACCOUNT)] = stopped(until=1_010)
    tell = TellHealth(records=records)

    health = await tell.of(a_sender())
    assert health is not None
    assert (health.scope, await tell([])) == ("account", {})
    records.away = True
    assert await tell.of(a_sender()) is None


@pytest.mark.parametrize(
    ("health", "seconds"),
    [(HEALTHY, 0), (stopped(until=990), 0), (stopped(until=1_010), 10), (stopped(until=1e9), 86_400)],
)
async def test_an_account_is_held_for_as_long_as_its_breaker_says_and_a_day_at_most(
    health: Health, seconds: int
) -> None:
    records = InMemoryHealthRecords()
    records.records[Subject(Scope.ACCOUNT, ACCOUNT)] = health
    known = HealthCache(records=records, clock=FixedClock(), telemetry=Counts())

    held = await AccountHolds(health=known)(ACCOUNT)

    assert held.total_seconds() == pytest.approx(seconds, abs=0.01)


# --- a whole tenant ---------------------------------------------------------------------------------------------------


class World:
    """What the database would tell; `most` is how much it was asked to count at most."""

    def __init__(self, facts: TenantSnapshot) -> None:
        self.most: list[int] = []
        self.heard: Mapping[AccountId, Heard] = {ACCOUNT: Heard(last_at=NOON, set_aside=2)}
        find: Any = {"snapshots": InMemorySnapshots(facts), "open_uow": self.open, "heard": self}
        self.find = FindHealth(tell_health=TellHealth(records=InMemoryHealthRecords()), **find)

    async def __call__(self, mode: Mode = Mode.LIVE) -> TenantHealthView:
        return await self.find(a_principal(mode=mode))

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Any]:
        yield SimpleNamespace(vitals=self)

    async def lanes(self, *, most: int) -> Sequence[LaneDepth]:
        self.most.append(most)
        lane = DeliverLane(Channel.WHATSAPP, Priority.HIGH)
        return [LaneDepth(lane=lane, due=3, waiting=4, oldest_due_at=NOON)]

    async def open_dead_letters(self, *, most: int) -> int:
        self.most.append(most)
        return 5

    async def unconfirmed(self, *, most: int) -> int:
        self.most.append(most)
        return 6

    async def of(self, tenant_id: TenantId) -> Mapping[AccountId, Heard]:
        return self.heard


def a_tenant_with_two_accounts() -> TenantSnapshot:
    other = AccountId(UUID(int=1))
    deleted = AccountId(UUID(int=2))
    return a_snapshot(
        accounts=(
            an_account(),
            an_account(id=other, mode=Mode.TEST),
            an_account(id=deleted, status=AccountStatus.DELETED),
        ),
        senders=(
            a_sender(),
            a_sender(id=SenderId(UUID(int=3)), account_id=other, mode=Mode.TEST),
            a_sender(id=SenderId(UUID(int=4)), account_id=deleted),
        ),
        templates=(
            a_template(),
            a_template(id=TemplateId(UUID(int=5)), name="paused", status=TemplateStatus.PAUSED),
            a_template(id=TemplateId(UUID(int=6)), name="gone", status=TemplateStatus.DELETED),
            a_template(id=TemplateId(UUID(int=7)), name="test", status=TemplateStatus.PAUSED, account_id=other),
        ),
    )


async def test_a_key_sees_what_is_of_its_own_mode_and_not_deleted() -> None:
    world = World(a_tenant_with_two_accounts())

    live, test = await world(), await world(Mode.TEST)

    assert [it.id for it in live.senders] == [typeid(Prefix.SENDER, SENDER)]
    assert [it.id for it in live.accounts] == [typeid(Prefix.ACCOUNT, ACCOUNT)]
    assert [(it.name, it.codes) for it in live.templates] == [("paused", ("template_not_sendable",))]
    assert [it.name for it in test.templates] == ["test"]
    assert (len(test.senders), len(test.accounts)) == (1, 1)


async def test_what_was_heard_and_what_waits_is_told_beside_it() -> None:
    view = await World(a_tenant_with_two_accounts())()

    assert [(it.webhooks_last_at, it.webhooks_set_aside) for it in view.accounts] == [(NOON, 2)]
    assert [(it.due, it.waiting, it.oldest_due_at) for it in view.lanes] == [(3, 4, NOON)]
    assert (view.dead_letters_open, view.unconfirmed, view.mode) == (5, 6, Mode.LIVE)
    assert [it.health is not None and it.health.state for it in view.senders] == ["closed"]


async def test_an_account_that_nothing_was_heard_of_says_so() -> None:
    world = World(a_snapshot())
    world.heard = {}

    assert [(it.webhooks_last_at, it.webhooks_set_aside) for it in (await world()).accounts] == [(None, 0)]


@pytest.mark.parametrize(("senders", "listed", "of_each"), [(0, 0, 10_000), (4, 4, 2_500), (1_001, 1_000, 10)])
async def test_what_is_counted_is_bounded_and_shared_by_the_senders(senders: int, listed: int, of_each: int) -> None:
    world = World(a_snapshot(senders=tuple(a_sender(id=SenderId(UUID(int=it))) for it in range(1, senders + 1))))

    view = await world()

    assert (len(view.senders), world.most) == (listed, [of_each, 10_000, 10_000])


async def test_a_tenant_that_is_gone_is_not_found() -> None:
    assert (await refusal(World(a_snapshot()).find(a_principal(tenant_id=OTHER_TENANT)))).code == "not_found"
