"""The container that builds what `app callbacks` does, and what tenants see of it: fan-out, delivery, the log."""

from importlib.metadata import version
from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Object, Singleton

from messaging.application.callbacks.announcing.fan_out import FanOut
from messaging.application.callbacks.delivering.claim import ClaimCallbacks
from messaging.application.callbacks.delivering.deliver import DeliverCallbacks
from messaging.application.callbacks.delivering.drop_old import DropOldHeld
from messaging.application.callbacks.delivering.measure import MeasureCallbacks
from messaging.application.callbacks.delivering.post import PostCallback
from messaging.application.callbacks.delivering.start_attempts import StartAttempts
from messaging.application.callbacks.settling.recorded import Recorded
from messaging.application.callbacks.settling.settle import SettleLanes
from messaging.application.callbacks.watching.queries import FindDeliveries, FindEndpointHealth, ListAttempts
from messaging.application.callbacks.watching.replay import ReplayEvent
from messaging.application.callbacks.watching.switch import EnableEndpoint, PauseEndpoint, ReleaseCallbacks
from messaging.domain.callbacks.schedule import WINDOWS
from messaging.entrypoints.settings.settings import Settings

_AGENT = f"messaging/{version('messaging')}"


class CallbackDeliveryUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()

    fan_out = Singleton(
        FanOut,
        open_fan_out=adapters.open_fan_out,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        new_id=adapters.new_id,
        clock=adapters.clock,
        telemetry=adapters.telemetry,
        windows=Object(WINDOWS),
    )
    start = Singleton(StartAttempts, new_id=adapters.new_id)
    deliver = Singleton(
        DeliverCallbacks,
        claim=Singleton(ClaimCallbacks, open_uow=adapters.open_system_uow, start=start),
        post=Singleton(
            PostCallback,
            exchange=adapters.callback_exchange,
            snapshots=adapters.snapshots,
            key_ring=adapters.key_ring,
            clock=adapters.clock,
            telemetry=adapters.telemetry,
            agent=_AGENT,
            timeout=settings.provided.callback_timeout_seconds,
        ),
        settle=Singleton(
            SettleLanes,
            open_uow=adapters.open_system_uow,
            start=start,
            recorded=Singleton(Recorded, adapters.telemetry),
        ),
    )
    measure = Singleton(MeasureCallbacks, vitals=adapters.callback_vitals, telemetry=adapters.telemetry)
    drop_old_held = Singleton(DropOldHeld, open_uow=adapters.open_system_uow)
    release = Singleton(ReleaseCallbacks, open_uow=adapters.open_system_uow)
    pause = Singleton(PauseEndpoint, open_uow=adapters.open_uow)
    enable = Singleton(EnableEndpoint, open_uow=adapters.open_uow, clock=adapters.clock)
    list_attempts = Singleton(
        ListAttempts, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring
    )
    find_deliveries = Singleton(FindDeliveries, open_uow=adapters.open_uow)
    find_health = Singleton(FindEndpointHealth, open_uow=adapters.open_uow)
    replay = Singleton(ReplayEvent, open_uow=adapters.open_uow, clock=adapters.clock, new_id=adapters.new_id)
