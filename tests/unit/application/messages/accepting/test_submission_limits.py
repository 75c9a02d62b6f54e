"""Who may submit how many messages now, and what a refusal tells."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.accepting import submission_limits as submission_limits_module
from messaging.application.messages.accepting.submission_limits import LimitSubmissions, RateLimited
from messaging.application.ports.submission_limits import Balance, Exceeded, Wanted
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Category, Message
from messaging.domain.shared.ids import KeyId
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.limits import Policy, Quota, SubmissionLimits
from messaging.domain.tenants.tenant import Principal
from tests.builders import a_message, a_principal
from tests.fakes.submission_limits import InMemorySubmissionLimits
from tests.unit.application.webhooks.doubles import Counts


class World:
    """Ten messages a minute for the tenant, three for each key, unless told otherwise."""

    def __init__(self, own: SubmissionLimits | None = None, **default: Any) -> None:
        limits: dict[str, Any] = {"tenant": Quota(messages=10, seconds=60), "key": Quota(messages=3, seconds=60)}
        self.quotas, self.counts = InMemorySubmissionLimits(), Counts()
        self.own = own
        self.limit = LimitSubmissions(
            quotas=self.quotas,
            default=SubmissionLimits(**(limits | default)),
            telemetry=self.counts,
        )

    async def submit(
        self, count: int = 1, *, principal: Principal | None = None, refused: int = 0, **of: Any
    ) -> list[int]:
        """What each policy leaves."""
        messages: list[Message] = [a_message(**of)] * count
        balances = await self.limit(principal or a_principal(), self.own, messages, refused=refused)
        return [it.remaining for it in balances]

    async def refusal(self, count: int = 1, *, refused: int = 0) -> RateLimited:
        with pytest.raises(RateLimited) as raised:
            await self.submit(count, refused=refused)
        return raised.value


async def test_every_message_counts_for_the_tenant_and_for_its_key() -> None:
    world = World()

    assert await world.submit() == [9, 2]
    assert await world.submit(2) == [7, 0]
    assert await world.submit(principal=a_principal(key_id=KeyId(UUID(int=1)))) == [6, 2]


async def test_live_and_test_traffic_are_counted_apart() -> None:
    world = World()
    await world.submit(3)

    assert await world.submit(principal=a_principal(mode=Mode.TEST)) == [9, 2]


async def test_what_broke_a_rule_counts_too() -> None:
    world = World()

    assert await world.submit(1, refused=1) == [8, 1]
    assert await world.submit(0, refused=1) == [7, 0]


async def test_a_batch_that_does_not_fit_is_refused_whole() -> None:
    world = World()
    await world.submit(2)

    refusal = await world.refusal(1, refused=1)

    assert refusal.retry_after == 60
    assert [it.remaining for it in refusal.balances] == [8, 1]
    assert world.counts.seen == {"messages_refused{code=rate_limited}": 2}
    assert await world.submit() == [7, 0]


@pytest.mark.parametrize(
    ("submitted", "passed", "count", "advice"),
    [
        (0, 0.0, 4, "Send at most 3 at once."),
        (1, 59.5, 3, "Send them again in 1 s"),
        (3, 20.2, 1, "Send it again in 40 s"),
        (3, 60 - 1e-6, 1, "Send it again in 1 s"),
    ],
)
async def test_a_refusal_tells_what_would_be_accepted(submitted: int, passed: float, count: int, advice: str) -> None:
    world = World(tenant=None)
    if submitted:
        await world.submit(submitted)
    world.quotas.now = passed

    assert advice in (await world.refusal(count)).detail


async def test_the_tenants_own_limits_replace_the_platforms_from_the_next_message_on() -> None:
    world = World()
    assert await world.submit() == [9, 2]

    world.own = SubmissionLimits(tenant=None, key=Quota(messages=5, seconds=60))

    assert await world.submit() == [3]


async def test_limits_of_a_channel_or_category_concern_its_messages_alone() -> None:
    of = SubmissionLimits(
        tenant=None,
        key=None,
        channels={Channel.SMS: Quota(messages=5, seconds=60)},
        categories={"marketing": Quota(messages=7, seconds=60)},
    )
    world = World(of)

    assert await world.submit(channel=Channel.SMS, category=Category.UTILITY) == [4]
    assert await world.submit(category=Category.MARKETING) == [6]
    assert await world.submit(channel=Channel.SMS, category=Category.MARKETING) == [3, 5]
    assert await world.submit() == []


async def test_without_any_limit_nobody_is_asked() -> None:
    world = World(tenant=None, key=None)

    assert await world.submit() == []


async def test_a_window_that_ends_at_this_very_moment_is_waited_for_for_a_second() -> None:
    ended = Balance(Policy("key", Quota(messages=3, seconds=60)), 0, 0.0)

    class Ended(InMemorySubmissionLimits):
        async def take(self, wanted: Sequence[Wanted]) -> Exceeded:
            return Exceeded(ended, (ended,))

    world = World(tenant=None)
    world.limit = LimitSubmissions(
        quotas=Ended(), default=SubmissionLimits(key=Quota(messages=3, seconds=60)), telemetry=Counts()
    )

    assert (await world.refusal()).retry_after == 1


async def test_what_is_remembered_of_callers_is_forgotten_when_it_becomes_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(submission_limits_module, "_MOST", 2)
    world = World(tenant=None)

    for number in (1, 2, 3, 1, 2, 3):
        await world.submit(principal=a_principal(key_id=KeyId(UUID(int=number))))

    assert await world.submit(principal=a_principal(key_id=KeyId(UUID(int=1)))) == [0]


async def test_nothing_submitted_counts_nothing() -> None:
    world = World()

    assert await world.submit(0) == [10, 3]
