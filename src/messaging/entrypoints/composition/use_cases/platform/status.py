"""The container of the status page and its incidents."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Object, Singleton

from messaging.application.status.compose import ComposeStatus
from messaging.application.status.incidents import ChangeIncident, DraftIncident, ListIncidents
from messaging.entrypoints.composition.health.probes import ProbeProcesses
from messaging.entrypoints.composition.providers import CHANNELS
from messaging.entrypoints.settings.settings import Settings


class StatusUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()

    draft_incident = Singleton(
        DraftIncident, open_system_uow=adapters.open_system_uow, clock=adapters.clock, new_id=adapters.new_id
    )
    change_incident = Singleton(ChangeIncident, open_system_uow=adapters.open_system_uow, clock=adapters.clock)
    list_incidents = Singleton(ListIncidents, open_system_uow=adapters.open_system_uow, clock=adapters.clock)
    compose = Singleton(
        ComposeStatus,
        health=adapters.health,
        callbacks=adapters.callback_vitals,
        open_system_uow=adapters.open_system_uow,
        probe=Singleton(
            ProbeProcesses, api=settings.provided.status_api_url, webhooks=settings.provided.status_webhooks_url
        ),
        channels=Object(CHANNELS),
        clock=adapters.clock,
        telemetry=adapters.telemetry,
    )
