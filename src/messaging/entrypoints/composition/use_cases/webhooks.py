"""The container that builds the use cases about providers' webhooks."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.gather import Gatherer
from messaging.application.webhooks.keep_events import KeepEvents
from messaging.application.webhooks.process import ProcessWebhooks
from messaging.application.webhooks.queries import FindProviderEvent, ListProviderEvents
from messaging.application.webhooks.receive import Endpoints, StoreWebhook
from messaging.application.webhooks.receive_referred import StoreReferredWebhook
from messaging.application.webhooks.rematch import RematchReceipts
from messaging.application.webhooks.replay import ReplayWebhooks, TakeInConnected
from messaging.entrypoints.settings.settings import Settings


class WebhookUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    conversations: Any = DependenciesContainer()
    tracking: Any = DependenciesContainer()

    endpoints = Singleton(
        Endpoints,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        credentials=adapters.credentials,
        readers=adapters.readers,
    )
    accept = Singleton(
        StoreWebhook,
        endpoints=endpoints,
        public_url=settings.provided.webhooks_public_url.value,
        # A provider waits for the answer but does not notice milliseconds, and a commit costs more than ten rows in it.
        store=Singleton(Gatherer, adapters.webhook_store.provided.store_many, writers=1, pause=0.005),
        new_id=adapters.new_id,
        clock=adapters.clock,
        telemetry=adapters.telemetry,
    )
    accept_referred = Singleton(StoreReferredWebhook, endpoints=endpoints, accept=accept, clock=adapters.clock)
    process = Singleton(
        ProcessWebhooks,
        open_uow=adapters.open_system_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        readers=adapters.readers,
        reconcile=tracking.reconcile,
        receive=conversations.receive,
        keep=Singleton(
            KeepEvents,
            snapshots=adapters.snapshots,
            key_ring=adapters.key_ring,
            new_id=adapters.new_id,
            telemetry=adapters.telemetry,
        ),
        telemetry=adapters.telemetry,
    )
    replay = Singleton(ReplayWebhooks, open_uow=adapters.open_system_uow)
    take_in_connected = Singleton(TakeInConnected, open_uow=adapters.open_system_uow)
    list_events = Singleton(
        ListProviderEvents, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring
    )
    find_event = Singleton(
        FindProviderEvent, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring
    )
    rematch = Singleton(RematchReceipts, open_uow=adapters.open_system_uow, reconcile=tracking.reconcile)
