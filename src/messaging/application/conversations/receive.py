"""Stores inbound messages and opens the 24-hour windows of the people who wrote them."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import NamedTuple

from messaging.application.contacts.indexes import index_of
from messaging.application.contacts.learn_aliases import Told
from messaging.application.conversations import inbound_payload
from messaging.application.conversations.announcing import told_of
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.contact_aliases import AliasSource
from messaging.application.ports.conversations import NewInbound
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots, TenantSnapshot
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import SystemUnitOfWork
from messaging.domain.conversations.inbound import InboundMessage
from messaging.domain.shared.ids import AccountId, InboundId, SenderId, TenantId, WebhookId
from messaging.domain.tenants.tenant import Sender


class InboundArrived(NamedTuple):
    """An inbound message, the account it came through, and its webhook."""

    tenant_id: TenantId
    account_id: AccountId
    webhook_id: WebhookId
    message: InboundMessage


LearnWithin = Callable[[SystemUnitOfWork, Sequence[Told]], Awaitable[None]]


class ReceiveInbound:
    """Stores inbound messages inside the caller's transaction, so that a webhook is processed wholly or not at all."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        key_ring: KeyRing,
        learn_aliases: LearnWithin,
        new_id: NewId,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._learn_aliases = learn_aliases
        self._new_id = new_id
        self._clock = clock
        self._telemetry = telemetry

    async def __call__(self, uow: SystemUnitOfWork, arrived: Sequence[InboundArrived]) -> Sequence[InboundArrived]:
        """Store messages; repeating it has no further effect. Returns those to numbers that are not senders."""
        if not arrived:
            return []
        wanted = sorted({name for item in arrived for name in _sender_names(item)})
        senders = await uow.platform.senders_by_external_id(wanted)
        now = self._clock.now()
        known: list[tuple[NewInbound, InboundArrived]] = []
        unmatched_senders: list[InboundArrived] = []
        for item in arrived:
            sender_id = next((senders[name] for name in _sender_names(item) if name in senders), None)
            cipher = await self._cipher(item.tenant_id)
            if sender_id is None or cipher is None:
                unmatched_senders.append(item)
            else:
                known.append((_sealed(item, sender_id, cipher, id=InboundId(self._new_id()), now=now), item))
        added = await uow.conversations.add_inbound([new for new, _ in known])
        await self._announce(uow, [(new, item.message) for new, item in known if new.id in added])
        await self._learn_aliases(uow, await self._told(arrived))
        for new, _ in known:
            self._telemetry.count("inbound_messages", kind=new.kind)
        for oddity, count in Counter(oddity for item in arrived for oddity in item.message.oddities).items():
            self._telemetry.count("inbound_oddities", count, oddity=oddity)
        return unmatched_senders

    async def _announce(self, uow: SystemUnitOfWork, stored: Sequence[tuple[NewInbound, InboundMessage]]) -> None:
        told = []
        for new, message in stored:
            facts = await self._snapshots.tenant(new.tenant_id)
            if facts is not None and (announcement := told_of(new, message, facts)) is not None:
                told.append(announcement)
        await uow.announcements.announce(told)

    async def _told(self, arrived: Sequence[InboundArrived]) -> list[Told]:
        """Aliases of people whom a message names both by number and by business-scoped id."""
        told: list[Told] = []
        for item in arrived:
            facts = await self._snapshots.tenant(item.tenant_id)
            if facts is not None and (sender := _sender_of(item, facts)) is not None:
                told += _told(item, sender)
        return told

    async def _cipher(self, tenant_id: TenantId) -> TenantCipher | None:
        facts = await self._snapshots.tenant(tenant_id)
        return None if facts is None else self._key_ring.cipher(tenant_id, facts.data_keys)


def _sender_names(item: InboundArrived) -> list[tuple[AccountId, str]]:
    """The ids that the sender written to may have in the account, the most precise first."""
    message = item.message
    return [(item.account_id, id) for id in (message.sender_external_id, *message.further_sender_ids)]


def _sealed(
    item: InboundArrived, sender_id: SenderId, cipher: TenantCipher, *, id: InboundId, now: datetime
) -> NewInbound:
    message = item.message
    return NewInbound(
        id=id,
        tenant_id=item.tenant_id,
        account_id=item.account_id,
        sender_id=sender_id,
        provider_message_id=message.provider_message_id,
        kind=message.kind,
        # A submission may name the person by number or by id; each finds the window.
        contact_indexes=tuple(index_of(cipher, name) for name in _names(message)),
        sealed=inbound_payload.seal(cipher, id, message),
        # A provider's clock that runs ahead must not keep a window open for too long.
        occurred_at=min(message.occurred_at, now),
        opens_window=message.opens_window,
    )


def _sender_of(item: InboundArrived, facts: TenantSnapshot) -> Sender | None:
    """The sender that was written to."""
    names = _sender_names(item)
    of_account = (sender for sender in facts.senders.values() if (sender.account_id, sender.external_id) in names)
    return next(of_account, None)


def _told(item: InboundArrived, sender: Sender) -> list[Told]:
    message = item.message
    if message.phone is None:
        return []
    return [
        Told(
            tenant_id=item.tenant_id,
            mode=sender.mode,
            channel=sender.channel,
            alias=name,
            canonical=message.phone,
            source=AliasSource.INBOUND,
        )
        for name in _names(message)
        if name != message.phone
    ]


def _names(message: InboundMessage) -> tuple[str, ...]:
    names = (message.phone, message.user_id, message.parent_user_id)
    return tuple(dict.fromkeys(name for name in names if name))
