"""Looks up for how long the circuit breakers let nothing be sent through an account."""

from datetime import timedelta

from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.domain.messages.pacing.sender_health import Subject, held_until
from messaging.domain.messages.retry import Scope
from messaging.domain.shared.ids import AccountId


class AccountHolds:
    def __init__(self, *, health: HealthCache) -> None:
        self._health = health

    async def __call__(self, account_id: AccountId) -> timedelta:
        """The time for which nothing may be sent through the account; zero for a healthy one, at most a day."""
        subject = Subject(Scope.ACCOUNT, account_id)
        await self._health.look([subject])
        seconds = held_until(self._health.of(subject)) - self._health.now()
        return timedelta(seconds=min(max(seconds, 0.0), 86_400.0))
