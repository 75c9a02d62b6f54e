"""Reads inbound messages: what people wrote to a tenant's senders."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from messaging.application.conversations import inbound_payload
from messaging.application.ports.attempts import AttemptRef
from messaging.application.ports.conversations import InboundRow
from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.domain.conversations.inbound import InboundKind, InboundMessage, Oddity
from messaging.domain.shared.ids import AccountId, InboundId, Prefix, typeid
from messaging.domain.tenants.tenant import Principal


class InboundView(Struct, frozen=True, kw_only=True):
    """Something that a person did: wrote, tapped, reacted or called. Malformed messages are kept too; `oddities` lists
    their defects.
    """

    id: str
    sender_id: str
    kind: InboundKind
    provider_kind: str
    phone: str | None
    user_id: str | None
    parent_user_id: str | None
    username: str | None
    profile_name: str | None
    text: str | None
    in_reply_to: str | None
    in_reply_to_message_id: str | None
    provider_message_id: str
    payload: dict[str, Any]
    oddities: tuple[Oddity, ...]
    occurred_at: datetime
    received_at: datetime

    @classmethod
    def of(
        cls, row: InboundRow, message: InboundMessage, answered: Mapping[tuple[AccountId, str], AttemptRef]
    ) -> "InboundView":
        ours = answered.get((row.account_id, message.in_reply_to or ""))
        return cls(
            id=typeid(Prefix.INBOUND, row.id),
            sender_id=typeid(Prefix.SENDER, row.sender_id),
            kind=message.kind,
            provider_kind=message.provider_kind,
            phone=message.phone,
            user_id=message.user_id,
            parent_user_id=message.parent_user_id,
            username=message.username,
            profile_name=message.profile_name,
            text=message.text,
            in_reply_to=message.in_reply_to,
            in_reply_to_message_id=None if ours is None else typeid(Prefix.MESSAGE, ours.key.message_id),
            provider_message_id=message.provider_message_id,
            payload=message.payload,
            oddities=message.oddities,
            occurred_at=row.occurred_at,
            received_at=row.received_at,
        )


class ListInbound:
    """Lists inbound messages, newest first."""

    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self, principal: Principal, *, before: InboundId | None, limit: int) -> Page[InboundView, UUID]:
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.conversations.page(before=before, limit=limit + 1)
            messages = {row.id: inbound_payload.unseal(cipher, row.id, row.sealed) for row in rows}
            asked = {(row.account_id, reply) for row in rows if (reply := messages[row.id].in_reply_to)}
            answered = await uow.attempts.find(sorted(asked)) if asked else {}
        return page_of(rows, limit, lambda row: row.id, lambda row: InboundView.of(row, messages[row.id], answered))
