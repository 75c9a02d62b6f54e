"""The container that builds what decides who may send now, and how fast."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.messages.pacing.account_holds import AccountHolds
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.concurrency_limit import ConcurrencyLimit
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.messages.pacing.rate_limiting import RateLimiting
from messaging.application.messages.pacing.send_gate import SendGate
from messaging.application.messages.pacing.send_slots import SendSlots
from messaging.entrypoints.composition import terms
from messaging.entrypoints.settings.settings import Settings


class PacingUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()

    health_cache = Singleton(
        HealthCache, records=adapters.health_records, clock=adapters.clock, telemetry=adapters.telemetry
    )
    account_holds = Singleton(AccountHolds, health=health_cache)
    breakers = Singleton(CircuitBreakers, health=health_cache, snapshots=adapters.snapshots)
    rate_limiting = Singleton(
        RateLimiting,
        snapshots=adapters.snapshots,
        limits=adapters.limits,
        providers=adapters.installed,
        terms=Singleton(terms.provider_limits, settings),
        telemetry=adapters.telemetry,
    )
    gate = Singleton(
        SendGate,
        breakers=breakers,
        rate_limiting=rate_limiting,
        concurrency=Singleton(
            ConcurrencyLimit,
            concurrency=settings.provided.delivery_concurrency,
            batch=settings.provided.delivery_batch,
        ),
        slots=Singleton(SendSlots, more=rate_limiting.provided.again, telemetry=adapters.telemetry),
    )
