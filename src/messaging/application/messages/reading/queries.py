"""Reads messages: one, a filtered page, a timeline, dead letters. Only those of the key's own mode are seen."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from messaging.application.contacts.indexes import indexes_of
from messaging.application.messages.reading import payload
from messaging.application.messages.reading.holds import hold_of
from messaging.application.messages.reading.views import DeadLetterView, EventView, MessageView
from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.records import MessageFilter, MessageRow, Records
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots, TenantSnapshot
from messaging.application.ports.unit_of_work import OpenUnitOfWork, UnitOfWork
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.domain.channels.table import parse_address
from messaging.domain.messages.state import State, public
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import AccountId, MessageId, Prefix, SenderId, parse_typeid
from messaging.domain.shared.refusals import invalid, not_found
from messaging.domain.tenants.tenant import Principal


async def own_message(records: Records, id: MessageId) -> MessageRow:
    """The message, if it exists for this key: a test key sees no live message, and the other way round."""
    row = await records.message(id)
    if row is None:
        raise not_found()
    return row


def _view(row: MessageRow, cipher: TenantCipher, facts: TenantSnapshot | None) -> MessageView:
    opened = payload.decode(cipher.open(payload.context(row.id), row.sealed))
    return MessageView.of(row, opened, held=_hold(row, opened, facts))


def _hold(row: MessageRow, opened: payload.Payload, facts: TenantSnapshot | None) -> str | None:
    """The reason that holds a due message back; None if there is none."""
    account_id, sender_id = parse_typeid(Prefix.ACCOUNT, row.account_id), parse_typeid(Prefix.SENDER, row.sender_id)
    if row.state is not State.QUEUED or facts is None or account_id is None or sender_id is None:
        return None
    hold = hold_of(facts, AccountId(account_id), SenderId(sender_id), opened.content)
    return None if hold is None else hold.code


class FindMessage:
    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self, principal: Principal, id: MessageId) -> MessageView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            row = await own_message(uow.records, id)
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        return _view(row, cipher, await self._snapshots.tenant(principal.tenant_id))


class Wanted(Struct, frozen=True, kw_only=True):
    """A filter as the caller states it: `statuses` are public names, `to` an address, `template` a name."""

    to: str | None = None
    statuses: frozenset[str] = frozenset()
    reference: str | None = None
    template: str | None = None
    provider_message_id: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    error_code: str | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None


class ListMessages:
    """Lists messages, newest first. A page may hold fewer messages than asked for while there are more."""

    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(
        self, principal: Principal, wanted: Wanted, *, before: MessageId | None, limit: int
    ) -> Page[MessageView, UUID]:
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        names = () if wanted.to is None else _recipient_indexes(wanted.to, cipher)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            known = await uow.contact_aliases.names_of(names) if names else names
            message_id = None
            if wanted.provider_message_id is not None:
                message_id = await self._by_provider_id(uow, principal, wanted.provider_message_id)
                if message_id is None:
                    return Page((), None)
            filter_ = MessageFilter(
                recipient_indexes=tuple(sorted(known)),
                states=tuple(state for state in State if public(state) in wanted.statuses),
                message_id=message_id,
                reference=wanted.reference,
                template=wanted.template,
                created_after=wanted.created_after,
                created_before=wanted.created_before,
                error_code=wanted.error_code,
                updated_after=wanted.updated_after,
                updated_before=wanted.updated_before,
            )
            page = await uow.records.page(filter_, before=before, limit=limit)
        facts = await self._snapshots.tenant(principal.tenant_id)
        return Page(tuple(_view(row, cipher, facts) for row in page.rows), page.scanned_to)

    async def _by_provider_id(self, uow: UnitOfWork, principal: Principal, provider_id: str) -> MessageId | None:
        """The message with a provider's id; if several accounts have one with that id, the newest."""
        facts = await self._snapshots.tenant(principal.tenant_id)
        accounts = () if facts is None else facts.accounts
        found = await uow.attempts.find([(id, provider_id) for id in accounts])
        return max((attempt.key.message_id for attempt in found.values()), default=None)


def _recipient_indexes(to: str, cipher: TenantCipher) -> tuple[bytes, ...]:
    recipient = parse_address(to)
    if isinstance(recipient, Violation):
        raise invalid(Violation(pointer="/to", code=recipient.code, detail=recipient.detail))
    return indexes_of(cipher, recipient.value)


class ListEvents:
    """Lists a message's timeline, oldest first."""

    def __init__(self, *, open_uow: OpenUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self, principal: Principal, id: MessageId, *, after: int, limit: int) -> Page[EventView, int]:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            trace_id = (await own_message(uow.records, id)).trace_id
            rows = await uow.records.events(id, after=after, limit=limit + 1)
        cipher = await cipher_of(self._snapshots, self._key_ring, principal.tenant_id)
        return page_of(rows, limit, lambda row: row.seq, lambda row: EventView.of(row, cipher, trace_id=trace_id))


class ListDeadLetters:
    """Lists dead letters, newest first; settled ones only when asked for."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(
        self, principal: Principal, *, before: MessageId | None, limit: int, open_only: bool
    ) -> Page[DeadLetterView, UUID]:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.dead_letters.page(before=before, limit=limit + 1, open_only=open_only)
        return page_of(rows, limit, lambda row: row.message_id, DeadLetterView.of)


class FindDeadLetter:
    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, id: MessageId) -> DeadLetterView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            await own_message(uow.records, id)
            row = await uow.dead_letters.find(id)
        if row is None:
            raise not_found()
        return DeadLetterView.of(row)
