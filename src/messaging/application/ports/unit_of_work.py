"""Unit of work: one transaction and its repositories, for one tenant in one mode or for the platform's own work."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from messaging.application.ports.admin_keys import AdminKeys
from messaging.application.ports.attempts import Attempts
from messaging.application.ports.awaited_messages import AwaitedMessages
from messaging.application.ports.callbacks.announcements import Announcements
from messaging.application.ports.callbacks.deliveries import CallbackDeliveries
from messaging.application.ports.callbacks.delivering.lanes import HeldCallbacks, Lanes
from messaging.application.ports.callbacks.delivering.log import CallbackLog
from messaging.application.ports.callbacks.delivering.targets import CallbackTargets
from messaging.application.ports.callbacks.endpoints import CallbackEndpoints, CallbackSecrets
from messaging.application.ports.callbacks.events import CallbackEvents
from messaging.application.ports.configuration import (
    Accounts,
    ApiKeys,
    DeletedAccounts,
    ReviewedTemplates,
    Room,
    RoutingRules,
    Senders,
    Templates,
)
from messaging.application.ports.contact_aliases import ContactAliases
from messaging.application.ports.conversations import Conversations
from messaging.application.ports.dead_letters import DeadLetters
from messaging.application.ports.dispatches import Dispatches
from messaging.application.ports.due_messages import DueMessages
from messaging.application.ports.failovers import Failovers
from messaging.application.ports.incidents import Incidents
from messaging.application.ports.job_records import JobRecords
from messaging.application.ports.lifecycles import Lifecycles
from messaging.application.ports.outbox import DueJobs, Outbox
from messaging.application.ports.own_templates import OwnTemplates, OwnVersions
from messaging.application.ports.parked_receipts import ParkedReceipts
from messaging.application.ports.platform import Platform
from messaging.application.ports.provider_events import ProviderEvents
from messaging.application.ports.raw_webhooks import RawWebhooks
from messaging.application.ports.records import Records
from messaging.application.ports.selections import Selections
from messaging.application.ports.templates import HeldMessages, ProviderTemplates, SyncSchedule
from messaging.application.ports.unserved_messages import UnservedMessages
from messaging.application.ports.vitals import Vitals
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Reach


class TenantTransaction(Protocol):
    """Work of one tenant in one mode: row-level security lets it reach that tenant's rows of that mode only.

    Leaving the block without `commit` rolls back. No provider or Redis call may happen inside.
    """

    async def commit(self) -> None: ...


class MessageRoles(Protocol):
    """Roles of a tenant's transaction for reading messages and acting on them."""

    @property
    def records(self) -> Records: ...
    @property
    def dead_letters(self) -> DeadLetters: ...
    @property
    def selections(self) -> Selections: ...
    @property
    def lifecycles(self) -> Lifecycles: ...
    @property
    def attempts(self) -> Attempts: ...


class ConversationRoles(Protocol):
    """Roles of a tenant's transaction for inbound messages, aliases of contacts and provider events."""

    @property
    def conversations(self) -> Conversations: ...
    @property
    def contact_aliases(self) -> ContactAliases: ...
    @property
    def provider_events(self) -> ProviderEvents: ...


class ConfigurationRoles(Protocol):
    """Roles of a tenant's transaction for its accounts, senders, templates and routing rules."""

    @property
    def accounts(self) -> Accounts: ...
    @property
    def deleted_accounts(self) -> DeletedAccounts: ...
    @property
    def senders(self) -> Senders: ...
    @property
    def templates(self) -> Templates: ...
    @property
    def reviewed_templates(self) -> ReviewedTemplates: ...
    @property
    def routing_rules(self) -> RoutingRules: ...


class OwnTemplateRoles(Protocol):
    """Roles of a tenant's transaction for the templates of its own."""

    @property
    def own_templates(self) -> OwnTemplates: ...
    @property
    def own_versions(self) -> OwnVersions: ...


class AnnouncingRoles(Protocol):
    """The role of any transaction in which something happens that the tenant's endpoints are told of."""

    @property
    def announcements(self) -> Announcements: ...


class DeliveryLogRoles(Protocol):
    """Roles of a tenant's transaction for what became of its callbacks."""

    @property
    def callback_deliveries(self) -> CallbackDeliveries: ...
    @property
    def lanes(self) -> Lanes: ...


class EventRoles(Protocol):
    """Roles of a tenant's transaction for the events that its endpoints were told of."""

    @property
    def callback_events(self) -> CallbackEvents: ...


class CallbackRoles(Protocol):
    """Roles of a tenant's transaction for callbacks."""

    @property
    def callback_endpoints(self) -> CallbackEndpoints: ...
    @property
    def callback_secrets(self) -> CallbackSecrets: ...


class AccessRoles(Protocol):
    """Roles of a tenant's transaction for API keys, quotas, requests for work, and the tenant's condition."""

    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def room(self) -> Room: ...
    @property
    def outbox(self) -> Outbox: ...
    @property
    def vitals(self) -> Vitals: ...


class UnitOfWork(
    TenantTransaction,
    MessageRoles,
    ConversationRoles,
    ConfigurationRoles,
    OwnTemplateRoles,
    CallbackRoles,
    AccessRoles,
    AnnouncingRoles,
    EventRoles,
    DeliveryLogRoles,
    Protocol,
):
    """A tenant's transaction with every role; a use case that needs few of them may name those instead."""


class SystemTransaction(Protocol):
    """Work across tenants, under the least-privileged `messaging_system` role. It is undone unless committed."""

    async def commit(self, *, durable: bool = True) -> None:
        """Commit. With `durable=False` a crash of the database may undo it; for work that then is still due."""
        ...


class DeliveryUnitOfWork(SystemTransaction, Protocol):
    """The platform's transaction with the roles for delivering messages and tracking their outcomes."""

    @property
    def lifecycles(self) -> Lifecycles: ...
    @property
    def attempts(self) -> Attempts: ...
    @property
    def due_messages(self) -> DueMessages: ...
    @property
    def dispatches(self) -> Dispatches: ...
    @property
    def parked_receipts(self) -> ParkedReceipts: ...
    @property
    def failovers(self) -> Failovers: ...


class SweepRoles(Protocol):
    """Roles of the platform's transaction for messages that no worker takes, or whose news are overdue."""

    @property
    def unserved_messages(self) -> UnservedMessages: ...
    @property
    def awaited_messages(self) -> AwaitedMessages: ...


class WebhookRoles(Protocol):
    """Roles of the platform's transaction for processing webhooks."""

    @property
    def raw_webhooks(self) -> RawWebhooks: ...
    @property
    def conversations(self) -> Conversations: ...
    @property
    def contact_aliases(self) -> ContactAliases: ...
    @property
    def provider_events(self) -> ProviderEvents: ...


class PlatformRoles(Protocol):
    """Roles of the platform's transaction for administrators."""

    @property
    def platform(self) -> Platform: ...
    @property
    def admin_keys(self) -> AdminKeys: ...
    @property
    def job_records(self) -> JobRecords: ...
    @property
    def incidents(self) -> Incidents: ...


class TemplateRoles(Protocol):
    """Roles of the platform's transaction for templates as providers report them."""

    @property
    def templates(self) -> ProviderTemplates: ...
    @property
    def sync_schedule(self) -> SyncSchedule: ...
    @property
    def held_messages(self) -> HeldMessages: ...


class JobsUnitOfWork(SystemTransaction, Protocol):
    """The platform's transaction as whoever asks for jobs and runs them needs it."""

    @property
    def outbox(self) -> Outbox: ...
    @property
    def due_jobs(self) -> DueJobs: ...


class LaneRoles(SystemTransaction, Protocol):
    """Roles of the platform's transaction for the callbacks that wait for endpoints."""

    @property
    def lanes(self) -> Lanes: ...
    @property
    def held_callbacks(self) -> HeldCallbacks: ...


class CallbackQueueRoles(LaneRoles, Protocol):
    """The platform's transaction as whoever posts callbacks to endpoints needs it."""

    @property
    def callback_targets(self) -> CallbackTargets: ...
    @property
    def callback_log(self) -> CallbackLog: ...
    @property
    def announcements(self) -> Announcements: ...


class SystemUnitOfWork(
    DeliveryUnitOfWork,
    JobsUnitOfWork,
    CallbackQueueRoles,
    SweepRoles,
    WebhookRoles,
    PlatformRoles,
    TemplateRoles,
    AnnouncingRoles,
    Protocol,
):
    """The platform's transaction with every role; a use case that needs few of them names those instead."""


OpenMessages = Callable[[TenantId, Reach], AbstractAsyncContextManager[MessageRoles]]
OpenConversations = Callable[[TenantId, Reach], AbstractAsyncContextManager[ConversationRoles]]
OpenOwnTemplates = Callable[[TenantId, Reach], AbstractAsyncContextManager[OwnTemplateRoles]]
OpenUnitOfWork = Callable[[TenantId, Reach], AbstractAsyncContextManager[UnitOfWork]]
OpenDeliveryUnitOfWork = Callable[[], AbstractAsyncContextManager[DeliveryUnitOfWork]]
OpenJobsUnitOfWork = Callable[[], AbstractAsyncContextManager[JobsUnitOfWork]]
OpenCallbackQueue = Callable[[], AbstractAsyncContextManager[CallbackQueueRoles]]
OpenSystemUnitOfWork = Callable[[], AbstractAsyncContextManager[SystemUnitOfWork]]


class StoreUnavailable(Exception):
    """The database cannot be reached or refuses connections; nothing was written. Answers 503 with Retry-After."""
