"""The units of work on Postgres: one transaction each, with the repositories that share it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.announcing.announcements import PostgresAnnouncements
from messaging.adapters.postgres.announcing.of_messages import NOBODY
from messaging.adapters.postgres.callbacks.delivering.callback_log import PostgresCallbackLog
from messaging.adapters.postgres.callbacks.delivering.deliveries import PostgresCallbackDeliveries
from messaging.adapters.postgres.callbacks.delivering.held_callbacks import PostgresHeldCallbacks
from messaging.adapters.postgres.callbacks.delivering.lanes import PostgresLanes
from messaging.adapters.postgres.callbacks.delivering.targets import PostgresCallbackTargets
from messaging.adapters.postgres.callbacks.endpoints import PostgresCallbackEndpoints, PostgresCallbackSecrets
from messaging.adapters.postgres.callbacks.stored_events import PostgresCallbackEvents
from messaging.adapters.postgres.configuration.admin_keys import PostgresAdminKeys
from messaging.adapters.postgres.configuration.configuration import PostgresConfiguration
from messaging.adapters.postgres.configuration.own_templates import PostgresOwnTemplates
from messaging.adapters.postgres.configuration.platform import PostgresPlatform
from messaging.adapters.postgres.configuration.provider_templates import PostgresProviderTemplates
from messaging.adapters.postgres.configuration.template_work import PostgresHeldMessages, PostgresSyncSchedule
from messaging.adapters.postgres.conversations.contact_aliases import PostgresContactAliases
from messaging.adapters.postgres.conversations.conversations import PostgresConversations
from messaging.adapters.postgres.dispatches.awaited_messages import PostgresAwaitedMessages
from messaging.adapters.postgres.dispatches.dispatches import PostgresDispatches
from messaging.adapters.postgres.dispatches.due_messages import PostgresDueMessages
from messaging.adapters.postgres.dispatches.unserved_messages import PostgresUnservedMessages
from messaging.adapters.postgres.messages.apply_changes import Noted, ignored
from messaging.adapters.postgres.messages.attempts import PostgresAttempts
from messaging.adapters.postgres.messages.failovers import PostgresFailovers
from messaging.adapters.postgres.messages.lifecycles import MessageStates, PostgresLifecycles
from messaging.adapters.postgres.operations.incidents import PostgresIncidents
from messaging.adapters.postgres.operations.vitals import PostgresVitals
from messaging.adapters.postgres.outbox.due_jobs import PostgresDueJobs
from messaging.adapters.postgres.outbox.job_records import PostgresJobRecords
from messaging.adapters.postgres.outbox.outbox import PostgresOutbox
from messaging.adapters.postgres.reading.dead_letters import PostgresDeadLetters
from messaging.adapters.postgres.reading.records import PostgresRecords
from messaging.adapters.postgres.reading.selections import PostgresSelections
from messaging.adapters.postgres.schema.weeks import Weeks
from messaging.adapters.postgres.session.transactions import Transaction, transaction
from messaging.adapters.postgres.webhooks.parked_receipts import PostgresParkedReceipts
from messaging.adapters.postgres.webhooks.provider_events import PostgresProviderEvents
from messaging.adapters.postgres.webhooks.raw_webhooks import PostgresRawWebhooks
from messaging.application.ports.callbacks.listening import Listening
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
from messaging.application.ports.unit_of_work import SystemUnitOfWork, UnitOfWork
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Reach, TenantScope

# Awaited after a commit that changed configuration, so that this process drops older configuration from memory.
Changed = Callable[[], Awaitable[None]]


async def _nobody() -> None:
    """Does nothing: the `changed` of a program that keeps no configuration in memory."""


class _Change(Struct):
    """Whether a transaction wrote configuration, and whom to call after its commit if it did."""

    changed: Changed
    noted: bool = False

    def note(self) -> None:
        self.noted = True


class PostgresUnitOfWork:
    """A tenant's transaction. Its tenant and mode are enforced twice: by parameters, and by row-level security."""

    def __init__(self, opened: Transaction, scope: TenantScope, changed: Changed, listening: Listening) -> None:
        self._opened = opened
        self._scope = scope
        self._change = _Change(changed)
        self._listening = listening

    @cached_property
    def _configuration(self) -> PostgresConfiguration:
        return PostgresConfiguration(self._opened.core, self._scope, self._change.note)

    @property
    def accounts(self) -> Accounts:
        return self._configuration

    @property
    def deleted_accounts(self) -> DeletedAccounts:
        return self._configuration

    @property
    def senders(self) -> Senders:
        return self._configuration

    @property
    def templates(self) -> Templates:
        return self._configuration

    @property
    def reviewed_templates(self) -> ReviewedTemplates:
        return self._configuration

    @property
    def routing_rules(self) -> RoutingRules:
        return self._configuration

    @property
    def api_keys(self) -> ApiKeys:
        return self._configuration

    @property
    def room(self) -> Room:
        return self._configuration

    @cached_property
    def own_templates(self) -> PostgresOwnTemplates:
        return PostgresOwnTemplates(self._opened.core, self._scope, self._change.note)

    @property
    def own_versions(self) -> PostgresOwnTemplates:
        return self.own_templates

    @cached_property
    def callback_endpoints(self) -> PostgresCallbackEndpoints:
        return PostgresCallbackEndpoints(self._opened.core, self._scope, self._change.note)

    @cached_property
    def callback_secrets(self) -> PostgresCallbackSecrets:
        return PostgresCallbackSecrets(self._opened.core, self._scope)

    @cached_property
    def records(self) -> PostgresRecords:
        return PostgresRecords(self._opened.driver, self._scope)

    @cached_property
    def dead_letters(self) -> PostgresDeadLetters:
        return PostgresDeadLetters(self._opened.driver, self._scope)

    @cached_property
    def selections(self) -> PostgresSelections:
        return PostgresSelections(self._opened.driver, self._scope)

    @cached_property
    def lifecycles(self) -> PostgresLifecycles:
        return PostgresLifecycles(self._opened.driver, MessageStates(self._opened.driver, None), self._listening)

    @cached_property
    def attempts(self) -> PostgresAttempts:
        return PostgresAttempts(self._opened.driver)

    @cached_property
    def conversations(self) -> PostgresConversations:
        return PostgresConversations(self._opened.driver, self._scope)

    @cached_property
    def lanes(self) -> PostgresLanes:
        return PostgresLanes(self._opened.driver)

    @cached_property
    def callback_deliveries(self) -> PostgresCallbackDeliveries:
        return PostgresCallbackDeliveries(self._opened.driver, self._scope)

    @cached_property
    def callback_events(self) -> PostgresCallbackEvents:
        return PostgresCallbackEvents(self._opened.driver, self._scope)

    @cached_property
    def announcements(self) -> PostgresAnnouncements:
        return PostgresAnnouncements(self._opened.driver, self._listening)

    @cached_property
    def outbox(self) -> PostgresOutbox:
        return PostgresOutbox(self._opened.driver)

    @cached_property
    def contact_aliases(self) -> PostgresContactAliases:
        return PostgresContactAliases(self._opened.driver, self._scope)

    @cached_property
    def provider_events(self) -> PostgresProviderEvents:
        return PostgresProviderEvents(self._opened.driver, self._scope)

    @cached_property
    def vitals(self) -> PostgresVitals:
        return PostgresVitals(self._opened.driver, self._scope)

    async def commit(self) -> None:
        await self._opened.commit()
        if self._change.noted:
            await self._change.changed()


class PostgresSystemUnitOfWork:
    """The platform's transaction, across tenants, within the grants of `messaging_system`."""

    def __init__(self, opened: Transaction, weeks: Weeks, changed: Changed, listening: Listening, noted: Noted) -> None:
        self._opened = opened
        self._states = MessageStates(opened.driver, weeks)
        self._change = _Change(changed)
        self._listening = listening
        self._noted = noted

    @cached_property
    def lifecycles(self) -> PostgresLifecycles:
        return PostgresLifecycles(self._opened.driver, self._states, self._listening, self._noted)

    @cached_property
    def attempts(self) -> PostgresAttempts:
        return PostgresAttempts(self._opened.driver)

    @cached_property
    def due_messages(self) -> PostgresDueMessages:
        return PostgresDueMessages(self._opened.driver, self._states)

    @cached_property
    def lanes(self) -> PostgresLanes:
        return PostgresLanes(self._opened.driver)

    @cached_property
    def held_callbacks(self) -> PostgresHeldCallbacks:
        return PostgresHeldCallbacks(self._opened.driver)

    @cached_property
    def callback_targets(self) -> PostgresCallbackTargets:
        return PostgresCallbackTargets(self._opened.driver)

    @cached_property
    def callback_log(self) -> PostgresCallbackLog:
        return PostgresCallbackLog(self._opened.driver)

    @cached_property
    def dispatches(self) -> PostgresDispatches:
        return PostgresDispatches(self._opened.driver)

    @cached_property
    def unserved_messages(self) -> PostgresUnservedMessages:
        return PostgresUnservedMessages(self._opened.driver, self._states)

    @cached_property
    def awaited_messages(self) -> PostgresAwaitedMessages:
        return PostgresAwaitedMessages(self._opened.driver, self._states)

    @cached_property
    def raw_webhooks(self) -> PostgresRawWebhooks:
        return PostgresRawWebhooks(self._opened.driver)

    @cached_property
    def parked_receipts(self) -> PostgresParkedReceipts:
        return PostgresParkedReceipts(self._opened.driver)

    @cached_property
    def conversations(self) -> PostgresConversations:
        return PostgresConversations(self._opened.driver)

    @cached_property
    def contact_aliases(self) -> PostgresContactAliases:
        return PostgresContactAliases(self._opened.driver)

    @cached_property
    def provider_events(self) -> PostgresProviderEvents:
        return PostgresProviderEvents(self._opened.driver)

    @cached_property
    def failovers(self) -> PostgresFailovers:
        return PostgresFailovers(self._opened.driver)

    @cached_property
    def platform(self) -> PostgresPlatform:
        return PostgresPlatform(self._opened.core, self._change.note)

    @cached_property
    def admin_keys(self) -> PostgresAdminKeys:
        return PostgresAdminKeys(self._opened.core, self._change.note)

    @cached_property
    def incidents(self) -> PostgresIncidents:
        return PostgresIncidents(self._opened.core)

    @cached_property
    def templates(self) -> PostgresProviderTemplates:
        return PostgresProviderTemplates(self._opened.core, self._change.note)

    @cached_property
    def announcements(self) -> PostgresAnnouncements:
        return PostgresAnnouncements(self._opened.driver, self._listening)

    @cached_property
    def outbox(self) -> PostgresOutbox:
        return PostgresOutbox(self._opened.driver)

    @cached_property
    def held_messages(self) -> PostgresHeldMessages:
        return PostgresHeldMessages(self._opened.driver)

    @cached_property
    def sync_schedule(self) -> PostgresSyncSchedule:
        return PostgresSyncSchedule(self._opened.driver)

    @cached_property
    def job_records(self) -> PostgresJobRecords:
        return PostgresJobRecords(self._opened.driver)

    @cached_property
    def due_jobs(self) -> PostgresDueJobs:
        return PostgresDueJobs(self._opened.driver)

    async def commit(self, *, durable: bool = True) -> None:
        await self._opened.commit(durable=durable)
        if self._change.noted:
            await self._change.changed()


class PostgresUnitOfWorkFactory:
    """`open_uow(tenant_id, mode)`. Entering and leaving raise StoreUnavailable when Postgres is away."""

    def __init__(self, engine: AsyncEngine, *, changed: Changed = _nobody, listening: Listening = NOBODY) -> None:
        self._engine = engine
        self._listening = listening
        self._changed = changed

    @asynccontextmanager
    async def __call__(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[UnitOfWork]:
        scope = TenantScope(tenant_id, mode)
        async with transaction(self._engine, scope=scope) as opened:
            yield PostgresUnitOfWork(opened, scope, self._changed, self._listening)


class PostgresSystemUnitOfWorkFactory:
    """`open_system_uow()`, over the system engine. `noted` is told of every change of a message."""

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        changed: Changed = _nobody,
        listening: Listening = NOBODY,
        noted: Noted = ignored,
    ) -> None:
        self._engine = engine
        self._listening = listening
        self._weeks = Weeks()
        self._changed = changed
        self._noted = noted

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[SystemUnitOfWork]:
        async with transaction(self._engine) as opened:
            yield PostgresSystemUnitOfWork(opened, self._weeks, self._changed, self._listening, self._noted)
