"""The container that builds the use cases about contacts."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Singleton

from messaging.application.contacts.learn_aliases import LearnAliases


class ContactUseCases(DeclarativeContainer):
    adapters: Any = DependenciesContainer()

    learn_aliases = Singleton(
        LearnAliases,
        open_uow=adapters.open_system_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        telemetry=adapters.telemetry,
    )
