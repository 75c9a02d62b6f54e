"""The container that builds the use cases about conversations."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Singleton

from messaging.application.conversations.queries import ListInbound
from messaging.application.conversations.receive import ReceiveInbound


class ConversationUseCases(DeclarativeContainer):
    adapters: Any = DependenciesContainer()
    contacts: Any = DependenciesContainer()

    receive = Singleton(
        ReceiveInbound,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        learn_aliases=contacts.learn_aliases.provided.within,
        new_id=adapters.new_id,
        clock=adapters.clock,
        telemetry=adapters.telemetry,
    )
    list = Singleton(ListInbound, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring)
