"""Gathers what the pending events of one tenant tell: reads their subjects, and decrypts what belongs into bodies."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct

from messaging.application.callbacks.announcing import message_facts
from messaging.application.callbacks.announcing.message_facts import Told
from messaging.application.conversations import inbound_payload
from messaging.application.messages.reading import payload as payloads
from messaging.application.ports.callbacks.announcements import SubjectKind
from messaging.application.ports.callbacks.fan_out import MessageFacts, PendingEvent, Subjects, TimelineKey
from messaging.application.ports.secrets import CannotDecrypt, TenantCipher
from messaging.domain.callbacks.endpoint import EventFacts, Include
from messaging.domain.shared.ids import InboundId, MessageId, TenantId

log = logging.getLogger(__name__)

T = TypeVar("T")


class Described(Struct, frozen=True, kw_only=True):
    """A pending event with what it tells. `subject` goes into every body, `private` only to who includes it."""

    event: PendingEvent
    facts: EventFacts
    subject: Mapping[str, Any]
    private: Mapping[Include, Mapping[str, Any]]
    at: datetime
    trace_id: str | None


async def describe(
    subjects: Subjects, cipher: TenantCipher, tenant_id: TenantId, events: Sequence[PendingEvent]
) -> list[Described]:
    """The events in their order, without those whose message is gone."""
    entries = await subjects.timeline(tenant_id, [_key(event) for event in events if _is_of_message(event)])
    read = await _payloads(subjects, cipher, tenant_id, entries)
    written = [InboundId(event.subject_id) for event in events if event.kind is SubjectKind.INBOUND]
    inbound = await subjects.inbound(tenant_id, written) if written else {}
    described = []
    for event in events:
        if not _is_of_message(event):
            described.append(_of_other(event, cipher, inbound))
        elif (entry := entries.get(_key(event))) is not None:
            described.append(_of_message(event, entry, read[MessageId(event.subject_id)]))
        else:
            log.error("callbacks.message_gone", extra={"tenant_id": tenant_id, "pending": event.number})
    return described


def _is_of_message(event: PendingEvent) -> bool:
    return event.kind is SubjectKind.MESSAGE


def _key(event: PendingEvent) -> TimelineKey:
    return TimelineKey(MessageId(event.subject_id), event.sequence or 0)


def _of_message(event: PendingEvent, entry: MessageFacts, told: Told | None) -> Described:
    facts = EventFacts(
        type=event.type,
        mode=event.mode,
        subject_id=event.subject_id,
        fields=message_facts.fields_of(entry, told),
    )
    return Described(
        event=event,
        facts=facts,
        subject=message_facts.subject_of(event, entry, told),
        private=message_facts.private_of(told),
        at=entry.occurred_at or entry.recorded_at,
        trace_id=entry.trace_id,
    )


def _of_other(event: PendingEvent, cipher: TenantCipher, inbound: Mapping[InboundId, bytes]) -> Described:
    data = event.data or {}
    fields = {name: value for name in ("channel", "sender_id", "category") if isinstance(value := data.get(name), str)}
    private: Mapping[Include, Mapping[str, Any]] = {}
    if (sealed := inbound.get(InboundId(event.subject_id))) is not None:
        private = _of_person(cipher, InboundId(event.subject_id), sealed)
    return Described(
        event=event,
        facts=EventFacts(type=event.type, mode=event.mode, subject_id=event.subject_id, fields=fields),
        subject=data,
        private=private,
        at=event.occurred_at or event.created_at,
        trace_id=event.trace_id,
    )


def _of_person(cipher: TenantCipher, id: InboundId, sealed: bytes) -> Mapping[Include, Mapping[str, Any]]:
    """Who wrote an inbound message, and what."""
    message = _readable(lambda: inbound_payload.unseal(cipher, id, sealed), id)
    if message is None:
        return {}
    author = {"phone": message.phone, "user_id": message.user_id, "profile_name": message.profile_name}
    return {
        Include.RECIPIENT: {"from": author},
        Include.CONTENT: {"text": message.text, "payload": message.payload},
    }


async def _payloads(
    subjects: Subjects, cipher: TenantCipher, tenant_id: TenantId, entries: Mapping[TimelineKey, MessageFacts]
) -> dict[MessageId, Told | None]:
    """What was told of each message; None if it cannot be read. Large payloads are read one at a time."""
    found: dict[MessageId, Told | None] = {}
    for (id, _), entry in entries.items():
        if id not in found:
            sealed = entry.sealed if entry.sealed is not None else await subjects.payload(tenant_id, id)
            found[id] = None if sealed is None else _payload(cipher, id, sealed)
    return found


def _payload(cipher: TenantCipher, id: MessageId, sealed: bytes) -> Told | None:
    return _readable(lambda: message_facts.told(payloads.decode(cipher.open(payloads.context(id), sealed))), id)


def _readable(read: Callable[[], T], id: UUID) -> T | None:
    """What `read` returns; None, with a line in the log, for what is encrypted under another key: the event is told
    all the same.
    """
    try:
        return read()
    except (CannotDecrypt, msgspec.DecodeError):
        log.exception("callbacks.payload_unreadable", extra={"subject_id": str(id)})
        return None
