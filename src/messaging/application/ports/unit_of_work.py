"""Unit of work: one transaction and its repositories, for one tenant in one mode or for the platform's own work."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from messaging.application.ports.admin_keys import AdminKeys
from messaging.application.ports.attempts import Attempts
from messaging.application.ports.awaited_messages import AwaitedMessages
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
from messaging.application.ports.lifecycles import Lifecycles
from messaging.application.ports.parked_receipts import ParkedReceipts
from messaging.application.ports.platform import Platform
from messaging.application.ports.provider_events import ProviderEvents
from messaging.application.ports.raw_webhooks import RawWebhooks
from messaging.application.ports.records import Records
from messaging.application.ports.selections import Selections
from messaging.application.ports.templates import HeldMessages, ProviderTemplates, TemplateRequests, TemplateSyncs
from messaging.application.ports.unserved_messages import UnservedMessages
from messaging.application.ports.vitals import Vitals
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Reach


class UnitOfWork(Protocol):
    """A tenant's transaction in one mode: row-level security lets it reach that tenant's rows of that mode only.

    Leaving the block without `commit` rolls back. No provider or Redis call may happen inside.
    """

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
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def room(self) -> Room: ...
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
    @property
    def conversations(self) -> Conversations: ...
    @property
    def template_requests(self) -> TemplateRequests: ...
    @property
    def contact_aliases(self) -> ContactAliases: ...
    @property
    def provider_events(self) -> ProviderEvents: ...
    @property
    def vitals(self) -> Vitals: ...

    async def commit(self) -> None: ...


class SystemUnitOfWork(Protocol):
    """The platform's transaction, across tenants, under the least-privileged `messaging_system` role."""

    @property
    def lifecycles(self) -> Lifecycles: ...
    @property
    def attempts(self) -> Attempts: ...
    @property
    def due_messages(self) -> DueMessages: ...
    @property
    def dispatches(self) -> Dispatches: ...
    @property
    def unserved_messages(self) -> UnservedMessages: ...
    @property
    def awaited_messages(self) -> AwaitedMessages: ...
    @property
    def raw_webhooks(self) -> RawWebhooks: ...
    @property
    def parked_receipts(self) -> ParkedReceipts: ...
    @property
    def conversations(self) -> Conversations: ...
    @property
    def contact_aliases(self) -> ContactAliases: ...
    @property
    def provider_events(self) -> ProviderEvents: ...
    @property
    def failovers(self) -> Failovers: ...
    @property
    def platform(self) -> Platform: ...
    @property
    def admin_keys(self) -> AdminKeys: ...
    @property
    def templates(self) -> ProviderTemplates: ...
    @property
    def template_requests(self) -> TemplateRequests: ...
    @property
    def template_syncs(self) -> TemplateSyncs: ...
    @property
    def held_messages(self) -> HeldMessages: ...

    async def commit(self, *, durable: bool = True) -> None:
        """`durable=False` is for what stays due until it is committed: a crash of the database may undo it."""
        ...


OpenUnitOfWork = Callable[[TenantId, Reach], AbstractAsyncContextManager[UnitOfWork]]
OpenSystemUnitOfWork = Callable[[], AbstractAsyncContextManager[SystemUnitOfWork]]


class StoreUnavailable(Exception):
    """The database cannot be reached or refuses connections; nothing was written. Answers 503 with Retry-After."""
