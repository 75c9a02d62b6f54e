"""The whole object graph of a process as a list of containers; nothing is looked up anywhere else."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import Container, Dependency, Singleton

from messaging.entrypoints.composition.adapters import Adapters
from messaging.entrypoints.composition.resources import Resources
from messaging.entrypoints.composition.use_cases.access import AccessUseCases
from messaging.entrypoints.composition.use_cases.accounts import AccountUseCases
from messaging.entrypoints.composition.use_cases.callback_events import CallbackEventUseCases
from messaging.entrypoints.composition.use_cases.callbacks.delivering import CallbackDeliveryUseCases
from messaging.entrypoints.composition.use_cases.callbacks.endpoints import CallbackEndpointUseCases
from messaging.entrypoints.composition.use_cases.contacts import ContactUseCases
from messaging.entrypoints.composition.use_cases.conversations import ConversationUseCases
from messaging.entrypoints.composition.use_cases.messages.delivering import DeliveringUseCases
from messaging.entrypoints.composition.use_cases.messages.messages import MessageUseCases
from messaging.entrypoints.composition.use_cases.messages.pacing import PacingUseCases
from messaging.entrypoints.composition.use_cases.messages.tracking import TrackingUseCases
from messaging.entrypoints.composition.use_cases.outbox import OutboxUseCases
from messaging.entrypoints.composition.use_cases.platform.status import StatusUseCases
from messaging.entrypoints.composition.use_cases.templates import TemplateUseCases
from messaging.entrypoints.composition.use_cases.tenants import TenantUseCases
from messaging.entrypoints.composition.use_cases.webhooks import WebhookUseCases
from messaging.entrypoints.observability.tenant_metrics import TenantMetrics
from messaging.entrypoints.settings.settings import Settings


class Application(DeclarativeContainer):
    """The object graph of one process. `worker` names the process in leases and logs."""

    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    resources: Dependency[Resources] = Dependency(instance_of=Resources)
    worker: Dependency[str] = Dependency(instance_of=str)

    adapters: Any = Container(Adapters, settings=settings, resources=resources, process=worker)
    accounts: Any = Container(AccountUseCases, settings=settings, adapters=adapters)
    tenants: Any = Container(TenantUseCases, settings=settings, adapters=adapters, accounts=accounts)
    access: Any = Container(AccessUseCases, settings=settings, adapters=adapters, tenants=tenants)
    contacts: Any = Container(ContactUseCases, adapters=adapters)
    messages: Any = Container(MessageUseCases, settings=settings, adapters=adapters)
    pacing: Any = Container(PacingUseCases, settings=settings, adapters=adapters)
    tracking: Any = Container(TrackingUseCases, settings=settings, adapters=adapters, pacing=pacing)
    delivering: Any = Container(
        DeliveringUseCases,
        settings=settings,
        adapters=adapters,
        contacts=contacts,
        pacing=pacing,
        tracking=tracking,
        worker=worker,
    )
    templates: Any = Container(TemplateUseCases, settings=settings, adapters=adapters, accounts=accounts, pacing=pacing)
    callback_delivery: Any = Container(CallbackDeliveryUseCases, settings=settings, adapters=adapters)
    outbox: Any = Container(
        OutboxUseCases,
        settings=settings,
        adapters=adapters,
        messages=messages,
        templates=templates,
        callbacks=callback_delivery,
    )
    callback_events: Any = Container(CallbackEventUseCases, adapters=adapters)
    callback_endpoints: Any = Container(
        CallbackEndpointUseCases, settings=settings, adapters=adapters, accounts=accounts
    )
    conversations: Any = Container(ConversationUseCases, adapters=adapters, contacts=contacts)
    webhooks: Any = Container(
        WebhookUseCases, settings=settings, adapters=adapters, conversations=conversations, tracking=tracking
    )
    status: Any = Container(StatusUseCases, settings=settings, adapters=adapters)
    tenant_metrics: Any = Singleton(
        TenantMetrics, adapters.tenant_totals, name=worker, most=settings.provided.tenant_metrics.most
    )


def build(settings: Settings, resources: Resources, *, worker: str) -> Application:
    """A fresh graph. Raises if the containers contradict each other."""
    application = Application(settings=settings, resources=resources, worker=worker)
    application.check_dependencies()
    return application
