"""Reads provider events that the platform does not interpret yet."""

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.provider_events import ProviderEventFilter, ProviderEventRow
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.application.webhooks import event_content
from messaging.domain.shared.ids import EventId, Prefix, typeid
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal

# A list includes contents up to this size in bytes; a history of messages may have megabytes.
LARGEST_LISTED = 32_768


class ProviderEventView(Struct, frozen=True, kw_only=True):
    """An event that the provider reported about an account, a number or a message, and that has no effect here yet."""

    id: str
    account_id: str
    kind: str
    sender_external_id: str | None
    content: Any
    content_bytes: int
    content_left_out: bool
    occurred_at: datetime | None
    received_at: datetime
    webhook_id: str
    links: dict[str, str]

    @classmethod
    def of(cls, row: ProviderEventRow, cipher: TenantCipher) -> "ProviderEventView":
        id = typeid(Prefix.EVENT, row.id)
        return cls(
            id=id,
            account_id=typeid(Prefix.ACCOUNT, row.account_id),
            kind=row.kind,
            sender_external_id=row.sender_external_id,
            content=None if row.sealed is None else event_content.unseal(cipher, row.id, row.sealed),
            content_bytes=row.size,
            content_left_out=row.sealed is None,
            occurred_at=row.occurred_at,
            received_at=row.received_at,
            webhook_id=typeid(Prefix.WEBHOOK, row.webhook_id),
            links={"self": f"/v1/provider-events/{id}"},
        )


class ListProviderEvents:
    """Lists provider events, newest first."""

    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(
        self, principal: Principal, wanted: ProviderEventFilter, *, before: EventId | None, limit: int
    ) -> Page[ProviderEventView, UUID]:
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.provider_events.page(wanted, before=before, limit=limit + 1, largest=LARGEST_LISTED)
        return page_of(rows, limit, lambda row: row.id, lambda row: ProviderEventView.of(row, cipher))


class FindProviderEvent:
    """Finds one provider event, with its content whatever the size."""

    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self, principal: Principal, id: EventId) -> ProviderEventView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            row = await uow.provider_events.one(id)
        if row is None:
            raise not_found()
        return ProviderEventView.of(row, await cipher_of(self._snapshots, self._key_ring, principal.tenant_id))
