"""The container that builds the use cases about events for callbacks."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Singleton

from messaging.application.callbacks.announcing.queries import FindCallbackEvent, ListCallbackEvents


class CallbackEventUseCases(DeclarativeContainer):
    adapters: Any = DependenciesContainer()

    list = Singleton(
        ListCallbackEvents,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
    )
    find = Singleton(
        FindCallbackEvent,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
    )
