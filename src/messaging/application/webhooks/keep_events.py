"""Stores provider events that the platform does not interpret yet, with their kind and content."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from messaging.application.ports.callbacks.announcements import Announcement, SubjectKind
from messaging.application.ports.clock import NewId
from messaging.application.ports.provider_events import NewProviderEvent
from messaging.application.ports.providers.webhooks import OtherEvent
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import SystemUnitOfWork
from messaging.application.webhooks import event_content
from messaging.domain.shared.ids import EventId, Prefix, typeid
from messaging.domain.tenants.tenant import ProviderAccount

# The kind of a message to a number of the account that is not a sender: it becomes an inbound message once it is.
SENDER_UNKNOWN = "sender_unknown"


class EventArrived(NamedTuple):
    """An event, its webhook, and its metric label: its kind, or `other` for a kind outside the closed set."""

    webhook: RawWebhook
    event: OtherEvent
    label: str


class KeepEvents:
    """Stores events inside the caller's transaction, so that a webhook is processed wholly or not at all."""

    def __init__(self, *, snapshots: Snapshots, key_ring: KeyRing, new_id: NewId, telemetry: Telemetry) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._new_id = new_id
        self._telemetry = telemetry

    async def __call__(self, uow: SystemUnitOfWork, arrived: Sequence[EventArrived]) -> None:
        """Store events; repeating it has no further effect."""
        if not arrived:
            return
        labels: dict[EventId, str] = {}
        rows: list[NewProviderEvent] = []
        told: dict[EventId, Announcement] = {}
        for item in arrived:
            facts = await self._snapshots.tenant(item.webhook.tenant_id)
            # A webhook of an unknown tenant is never read.
            assert facts is not None
            cipher = self._key_ring.cipher(item.webhook.tenant_id, facts.data_keys)
            id = EventId(self._new_id())
            labels[id] = item.label
            rows.append(_sealed(item, cipher, id))
            if (account := facts.accounts.get(item.webhook.account_id)) is not None:
                told[id] = _announcement(item, account, id)
        added = await uow.provider_events.add(rows)
        await uow.announcements.announce([announcement for id, announcement in told.items() if id in added])
        for label, count in Counter(labels[id] for id in added).items():
            self._telemetry.count("provider_events", count, kind=label)


def _announcement(item: EventArrived, account: ProviderAccount, id: EventId) -> Announcement:
    """What the tenant's endpoints are told: that there is an event, and where to read what it says."""
    return Announcement(
        tenant_id=account.tenant_id,
        mode=account.mode,
        kind=SubjectKind.ACCOUNT,
        subject_id=account.id,
        type="account.provider_event",
        occurred_at=item.event.occurred_at,
        data={
            "id": typeid(Prefix.ACCOUNT, account.id),
            "provider": account.provider,
            "kind": item.event.kind,
            "provider_event_id": typeid(Prefix.EVENT, id),
            "links": {"provider_event": f"/v1/provider-events/{typeid(Prefix.EVENT, id)}"},
        },
    )


def _sealed(item: EventArrived, cipher: TenantCipher, id: EventId) -> NewProviderEvent:
    webhook, event = item.webhook, item.event
    packed = event_content.pack(event.payload)
    # An event without a time is distinguished from the same event on another day by its webhook.
    told = str(webhook.id) if event.occurred_at is None else event.occurred_at.isoformat()
    return NewProviderEvent(
        id=id,
        tenant_id=webhook.tenant_id,
        account_id=webhook.account_id,
        webhook_id=webhook.id,
        kind=event.kind,
        sender_external_id=event.sender_external_id,
        occurred_at=event.occurred_at,
        received_at=webhook.received_at,
        size=len(packed),
        digest=event_content.digest(cipher, event.kind, told, packed),
        sealed=event_content.seal(cipher, id, packed),
    )
