"""What the inbox stands on, in memory: a store with transactions, a provider that speaks plain JSON."""

import json
from collections.abc import AsyncIterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import msgspec

from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.contacts.learn_aliases import Told
from messaging.application.jobs import SyncTemplates
from messaging.application.ports.callbacks.announcements import Announcement
from messaging.application.ports.conversations import NewInbound
from messaging.application.ports.outbox import NewJob
from messaging.application.ports.provider_events import NewProviderEvent
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.templates import LockedTemplates
from messaging.application.ports.unit_of_work import SystemUnitOfWork
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.application.webhooks import raw
from messaging.domain.shared.ids import AccountId, EventId, InboundId, SenderId, TenantId, WebhookId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.tenant import ApiKey, ProviderAccount
from tests.builders import ACCOUNT, NOON, PHONE_NUMBER_ID, SENDER, TENANT, a_snapshot, an_account
from tests.fakes.announcements import InMemoryAnnouncements
from tests.fakes.clock import FixedClock as FixedClock
from tests.fakes.installed import a_webhook
from tests.fakes.providers import JsonReader as JsonReader
from tests.fakes.telemetry import Counts as Counts

KEY_RING = AesKeyRing(bytes(range(32)))
DATA_KEYS = (KEY_RING.new_data_key(TENANT),)
CIPHER = KEY_RING.cipher(TENANT, DATA_KEYS)
CREDENTIALS = Credentials(access_token="EAAtoken", app_secrets=("s3cret",), verify_token="let-me-in")


class LearntAliases:
    """What was told of who is who."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    async def __call__(self, uow: SystemUnitOfWork, told: Sequence[Told]) -> None:
        self.told += told


class KnownTenants:
    """Snapshots of one tenant with one account whose credentials are really sealed."""

    def __init__(self) -> None:
        account = an_account()
        self.account = msgspec.structs.replace(
            account, sealed_credentials=seal_credentials(account.id, CREDENTIALS, CIPHER)
        )
        self.facts = a_snapshot(accounts=(self.account,), data_keys=DATA_KEYS)

    async def tenant(self, id: TenantId) -> TenantSnapshot | None:
        return self.facts if id == TENANT else None

    async def account_by_token(self, token: str) -> ProviderAccount | None:
        return self.account if token == self.account.webhook_token else None

    async def account_by_id(self, id: AccountId) -> ProviderAccount | None:
        return self.account if id == self.account.id else None

    async def api_key(self, public_id: str) -> ApiKey | None:
        return None

    async def admin_key(self, public_id: str) -> AdminKey | None:
        return None

    def remembers_key(self, public_id: str) -> bool:
        return False


class Store:
    """Rows that were committed, and the faults a test asks for: `breaks` names providers whose apply fails."""

    def __init__(self) -> None:
        self.due: list[RawWebhook] = []
        self.durable: list[bool] = []
        self.processed: list[WebhookId] = []
        self.set_aside: dict[WebhookId, str] = {}
        self.inbound: list[NewInbound] = []
        self.events: list[NewProviderEvent] = []
        self.news: list[TemplateNews] = []
        self.unclear: set[tuple[TenantId, AccountId]] = set()
        self.announced: list[Announcement] = []
        self.known_inbound: set[str] = set()

    def add(self, *names: str, body: bytes | None = None, **changes: Any) -> RawWebhook:
        """A stored webhook that names these events."""
        id = WebhookId(uuid4())
        text = json.dumps(names).encode() if body is None else body
        fields: dict[str, Any] = {
            "id": id,
            "tenant_id": TENANT,
            "account_id": ACCOUNT,
            "provider": "whatsapp_cloud",
            "digest": id.bytes,
            "sealed": raw.seal(CIPHER, id, a_webhook(text), frozenset()),
            "received_at": NOON,
        }
        webhook = RawWebhook(**(fields | changes))
        self.due.append(webhook)
        return webhook

    @asynccontextmanager
    async def open_uow(self) -> AsyncIterator[SystemUnitOfWork]:
        yield cast(SystemUnitOfWork, _Transaction(self))


class _Transaction:
    """Doubles as the unit of work and as its repositories: everything is staged and written by `commit`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._done: list[RawWebhook] = []
        self._aside: dict[WebhookId, str] = {}
        self._inbound: list[NewInbound] = []
        self._events: list[NewProviderEvent] = []
        self._news: list[TemplateNews] = []
        self._unclear: set[tuple[TenantId, AccountId]] = set()
        self.raw_webhooks = self.conversations = self.platform = self.templates = self.outbox = self
        self.provider_events = self
        self.announcements = InMemoryAnnouncements()

    async def lock_due(self, limit: int) -> Sequence[RawWebhook]:
        return self._store.due[:limit]

    async def processed(self, done: Sequence[RawWebhook]) -> None:
        self._done += done

    async def set_aside(self, webhook: RawWebhook, *, problem: str) -> None:
        self._aside[webhook.id] = problem

    async def add_inbound(self, messages: Sequence[NewInbound]) -> AbstractSet[InboundId]:
        self._inbound += messages
        return {it.id for it in messages if it.provider_message_id not in self._store.known_inbound}

    async def add(self, events: Sequence[NewProviderEvent]) -> AbstractSet[EventId]:
        self._events += events
        return {event.id for event in events}

    async def senders_by_external_id(
        self, wanted: Sequence[tuple[AccountId, str]]
    ) -> dict[tuple[AccountId, str], SenderId]:
        ours = (ACCOUNT, PHONE_NUMBER_ID)
        return {ours: SENDER} if ours in wanted else {}

    async def lock(self, news: Sequence[TemplateNews]) -> LockedTemplates:
        self._news += news
        return LockedTemplates([], {}, {item.account_id: Mode.LIVE for item in news})

    async def update(self, changed: Sequence[Template]) -> None:
        assert not changed

    async def enqueue(self, wanted: Sequence[NewJob]) -> None:
        for new in wanted:
            assert isinstance(new.job, SyncTemplates)
            self._unclear.add((new.tenant_id, new.job.account_id))

    async def commit(self, *, durable: bool = True) -> None:
        self._store.durable.append(durable)
        gone = {webhook.id for webhook in self._done} | self._aside.keys()
        self._store.due = [webhook for webhook in self._store.due if webhook.id not in gone]
        self._store.processed += [webhook.id for webhook in self._done]
        self._store.set_aside |= self._aside
        self._store.inbound += self._inbound
        self._store.events += self._events
        self._store.news += self._news
        self._store.unclear |= self._unclear
        self._store.announced += self.announcements.announced
