"""Verifies that a webhook was signed for Meta's app, and reads it into receipts, inbound messages and events.

Meta delivers at least once, in no order, up to a thousand updates in a body, and adds fields and values without
notice. What cannot be understood is kept as an `OtherEvent`, and one broken item never costs the others.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from msgspec import Struct

from messaging.adapters.providers.whatsapp_cloud.credentials import of
from messaging.adapters.providers.whatsapp_cloud.webhooks.authors import Contacts
from messaging.adapters.providers.whatsapp_cloud.webhooks.decoding import decode
from messaging.adapters.providers.whatsapp_cloud.webhooks.inbound import read_call, read_message
from messaging.adapters.providers.whatsapp_cloud.webhooks.kinds import KINDS
from messaging.adapters.providers.whatsapp_cloud.webhooks.statuses import LONGEST_KIND, read_receipt
from messaging.adapters.providers.whatsapp_cloud.webhooks.template_events import template_event
from messaging.adapters.providers.whatsapp_cloud.wire.fields import (
    Json,
    bounded,
    identifier,
    instant,
    items,
    mapping,
    text,
)
from messaging.application.ports.providers.webhooks import (
    Acknowledgement,
    MalformedWebhook,
    OtherEvent,
    TemplateChanged,
    WebhookEvent,
    WebhookRequest,
)

MALFORMED = "malformed"

_SIGNATURE = "x-hub-signature-256"
_LISTS = ("messages", "statuses", "errors")
_AROUND = frozenset({"messaging_product", "metadata", "contacts"})


class WhatsAppWebhookReader:
    """The port `WebhookReader` for webhooks of the Cloud API."""

    kinds = KINDS

    kept_headers = frozenset({"x-hub-signature", _SIGNATURE})
    acknowledgement = Acknowledgement()

    def handshake(self, request: WebhookRequest, credentials: Struct) -> str | None:
        query = dict(parse_qsl(request.url.partition("?")[2], keep_blank_values=True))
        expected, given = of(credentials).verify_token, query.get("hub.verify_token", "")
        if not expected or not hmac.compare_digest(_bytes(given), _bytes(expected)):
            return None
        return query.get("hub.challenge") if query.get("hub.mode") == "subscribe" else None

    async def verify(self, request: WebhookRequest, credentials: Struct, *, now: datetime) -> bool:
        given = _bytes(request.headers.get(_SIGNATURE, ""))
        authentic = False
        for secret in of(credentials).app_secrets:
            if secret:
                signature = "sha256=" + hmac.new(_bytes(secret), request.body, hashlib.sha256).hexdigest()
                # Every secret is tried, so that the time taken does not reveal which one matches.
                authentic |= hmac.compare_digest(given, signature.encode())
        return authentic

    def read(self, request: WebhookRequest, *, received_at: datetime) -> Sequence[WebhookEvent]:
        document = decode(request.body)
        if not isinstance(document, dict) or not isinstance(document.get("entry"), list):
            raise MalformedWebhook("the body is not an object with a list of entries")
        return [event for entry in document["entry"] for event in _entry(entry, received_at)]


def _bytes(value: str) -> bytes:
    # A client may send a text that UTF-8 cannot encode; the bytes made of it here equal no expected value.
    return value.encode("utf-8", "surrogatepass")


def _entry(entry: Any, received_at: datetime) -> Iterator[WebhookEvent]:
    changes, at = mapping(entry).get("changes"), instant(mapping(entry), "time")
    if not isinstance(changes, list | dict):
        yield _malformed(entry, at=at)
        return
    for change in items(changes):
        field, value = text(mapping(change), "field"), mapping(change).get("value")
        if not field or not isinstance(value, dict):
            yield _malformed(change, at=at)
        elif field == "messages":
            yield from _messages(value, received_at)
        else:
            yield from _management(field, value, at)
            yield from _calls(value, received_at)


def _messages(value: Json, received_at: datetime) -> Iterator[WebhookEvent]:
    if not any(isinstance(value.get(name), list | dict) for name in _LISTS):
        yield _other("messages", value)
        return
    sender, messages = _sender(value), items(value.get("messages"))
    contacts = Contacts(value.get("contacts"), messages)
    for item in messages:
        yield read_message(item, sender, contacts, received_at) or _malformed(item, sender)
    for item in items(value.get("statuses")):
        yield read_receipt(item, sender) or _malformed(item, sender)
    for item in items(value.get("errors")):
        yield OtherEvent(kind="errors", payload=item, sender_external_id=sender or None)
    yield from _beside(value)
    yield from _calls(value, received_at)


def _beside(value: Json) -> Iterator[OtherEvent]:
    """Events for members other than the known lists, and for members with the name of one that are no list."""
    for name, member in value.items():
        if name in _LISTS and (member is None or isinstance(member, list | dict)):
            continue
        if name not in _AROUND:
            yield _other(f"messages.{name}", {"metadata": value.get("metadata"), name: member})


def _calls(value: Json, received_at: datetime) -> Iterator[WebhookEvent]:
    """The calls that people began, as inbound messages."""
    if calls := items(value.get("calls")):
        contacts, sender = Contacts(value.get("contacts"), calls), _sender(value)
        yield from filter(None, (read_call(item, sender, contacts, received_at) for item in calls))


def _sender(value: Json) -> str:
    return bounded(identifier(mapping(value.get("metadata")), "phone_number_id"))


def _management(field: str, value: Json, at: datetime | None) -> Iterator[WebhookEvent]:
    """The events of a change; one that tells of a template without its new state is also kept as an `OtherEvent`."""
    event = template_event(field, value, at)
    if event is not None:
        yield event
    if event is None or isinstance(event, TemplateChanged):
        yield _other(field, value, at)


def _other(kind: str, value: Json, at: datetime | None = None) -> OtherEvent:
    return OtherEvent(
        kind=kind.replace("\x00", "")[:LONGEST_KIND],
        payload=value,
        occurred_at=at,
        sender_external_id=_sender(value) or None,
    )


def _malformed(item: Any, sender: str = "", *, at: datetime | None = None) -> OtherEvent:
    return OtherEvent(kind=MALFORMED, payload=item, occurred_at=at, sender_external_id=sender or None)
