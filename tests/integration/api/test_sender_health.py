"""Is it visible in the API why a sender's messages wait?"""

from msgspec.structs import replace

from messaging.application.ports.sender_health import HealthChange
from messaging.domain.messages.pacing.breaker import Breaker, BreakerState, Trouble
from messaging.domain.messages.pacing.pace import Pace
from messaging.domain.messages.pacing.sender_health import HEALTHY, Health, Subject
from messaging.domain.messages.retry import Scope
from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.entrypoints.composition.containers import Application
from tests.integration.api.callers import Shop


async def learnt(application: Application, shop: Shop, health: Health) -> None:
    """As if a worker had learnt it of the shop's account, a second ago by the shared clock."""
    account = parse_typeid(Prefix.ACCOUNT, shop.account)
    assert account is not None
    (swapped,) = await application.adapters.health_records().swap(
        [HealthChange(Subject(Scope.ACCOUNT, account), HEALTHY, health)]
    )
    assert swapped


async def now(application: Application) -> float:
    return float((await application.adapters.health_records().read([])).now)


async def test_a_healthy_sender_is_closed_and_uses_all_of_its_limit(shop: Shop) -> None:
    health = (await shop.get(f"/v1/senders/{shop.sender}")).json()["health"]

    assert health == {
        "state": "closed",
        "scope": None,
        "reason": None,
        "code": None,
        "since": None,
        "retry_at": None,
        "rate_factor": 1.0,
    }


async def test_a_stopped_account_shows_at_its_senders_why_and_until_when(application: Application, shop: Shop) -> None:
    at = await now(application)
    stopped = Breaker(
        state=BreakerState.OPEN, since=at, retry_at=at + 60, trouble=Trouble.UNAUTHORIZED, code="190", openings=7
    )
    await learnt(application, shop, replace(HEALTHY, breaker=stopped))

    health = (await shop.get(f"/v1/senders/{shop.sender}")).json()["health"]
    listed = (await shop.get("/v1/senders")).json()["data"][0]["health"]

    assert (health["state"], health["scope"], health["reason"], health["code"]) == (
        *("open", "account", "unauthorized", "190"),
    )
    assert health["since"] < health["retry_at"]
    assert listed == health


async def test_a_slowed_sender_shows_its_pause_and_its_rate(application: Application, shop: Shop) -> None:
    at = await now(application)
    await learnt(application, shop, replace(HEALTHY, pace=Pace(factor=0.5, lowered_at=at, paused_until=at + 60)))

    health = (await shop.get(f"/v1/senders/{shop.sender}")).json()["health"]

    assert (health["state"], health["rate_factor"]) == ("closed", 0.5)
    assert health["retry_at"] is not None
