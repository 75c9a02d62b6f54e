"""Reading what people wrote to a tenant's senders."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from messaging.application.conversations import inbound_payload
from messaging.application.ports.conversations import InboundRow
from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.ciphers import cipher_of
from messaging.domain.conversations.inbound import InboundKind
from messaging.domain.shared.ids import InboundId, Prefix, typeid
from messaging.domain.tenants.tenant import Principal


class InboundView(Struct, frozen=True, kw_only=True):
    """`phone` or `user_id` (or both) identify the person; `payload` is the provider's object as it came."""

    id: str
    sender_id: str
    kind: InboundKind
    phone: str | None
    user_id: str | None
    profile_name: str | None
    text: str | None
    in_reply_to: str | None
    provider_message_id: str
    payload: dict[str, Any]
    occurred_at: datetime
    received_at: datetime

    @classmethod
    def of(cls, row: InboundRow, cipher: TenantCipher) -> "InboundView":
        message = inbound_payload.unseal(cipher, row.id, row.sealed)
        return cls(
            id=typeid(Prefix.INBOUND, row.id),
            sender_id=typeid(Prefix.SENDER, row.sender_id),
            kind=message.kind,
            phone=message.phone,
            user_id=message.user_id,
            profile_name=message.profile_name,
            text=message.text,
            in_reply_to=message.in_reply_to,
            provider_message_id=message.provider_message_id,
            payload=message.payload,
            occurred_at=row.occurred_at,
            received_at=row.received_at,
        )


class ListInbound:
    """Newest first."""

    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self, principal: Principal, *, before: InboundId | None, limit: int) -> Page[InboundView, UUID]:
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.conversations.page(before=before, limit=limit + 1)
        return page_of(rows, limit, lambda row: row.id, lambda row: InboundView.of(row, cipher))
