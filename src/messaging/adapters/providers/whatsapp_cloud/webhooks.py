"""Is a callback really from Meta, and what does it say?

Meta delivers at least once, in no order, up to a thousand updates a body, and adds fields and values without notice:
whatever cannot be understood is kept as an `OtherEvent`, and one broken item never costs its neighbours.
"""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from messaging.adapters.providers.whatsapp_cloud.definitions import read_language, read_status
from messaging.adapters.providers.whatsapp_cloud.fields import (
    Json,
    identifier,
    instant,
    items,
    mapping,
    mappings,
    text,
)
from messaging.adapters.providers.whatsapp_cloud.inbound import read_message
from messaging.adapters.providers.whatsapp_cloud.verdicts import async_failure
from messaging.application.ports.providers import (
    CallbackEvent,
    Credentials,
    MalformedCallback,
    OtherEvent,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from messaging.domain.messages.receipts import ProviderError, Receipt, ReceiptKind
from messaging.domain.templates.template import TemplateStatus

MALFORMED = "malformed"

_SIGNATURE = "x-hub-signature-256"
_LISTS = ("messages", "statuses", "errors")
# Template events that do not say what the template's status now is.
_NO_STATUS = frozenset({"FLAGGED", "UNARCHIVED"})


class WhatsAppCallbackReader:
    """The Cloud API's callbacks behind `CallbackReader`."""

    def handshake(self, query: Mapping[str, str], credentials: Credentials) -> str | None:
        expected, given = credentials.verify_token, query.get("hub.verify_token", "")
        if not expected or not hmac.compare_digest(_bytes(given), _bytes(expected)):
            return None
        return query.get("hub.challenge") if query.get("hub.mode") == "subscribe" else None

    def is_authentic(self, headers: Mapping[str, str], body: bytes, credentials: Credentials) -> bool:
        given = _bytes(headers.get(_SIGNATURE, ""))
        authentic = False
        for secret in credentials.app_secrets:
            if secret:
                signature = "sha256=" + hmac.new(_bytes(secret), body, hashlib.sha256).hexdigest()
                # Every secret is tried, so that the time taken does not tell which one fits.
                authentic |= hmac.compare_digest(given, signature.encode())
        return authentic

    def read(self, body: bytes) -> Sequence[CallbackEvent]:
        document = _decode(body)
        if not isinstance(document, dict) or not isinstance(document.get("entry"), list):
            raise MalformedCallback("not an object with a list of entries")
        return [event for entry in document["entry"] for event in _entry(entry)]


def _decode(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Half an emoji in one person's name must not cost the other updates of the batch.
        try:
            repaired = json.dumps(json.loads(body.decode("utf-8", "replace")), ensure_ascii=False)
            return msgspec.json.decode(repaired.encode("utf-8", "replace"))
        except (ValueError, RecursionError, msgspec.MsgspecError) as error:
            raise MalformedCallback("not JSON") from error
    except RecursionError as error:
        raise MalformedCallback("nested too deeply") from error


def _bytes(value: str) -> bytes:
    # What a client wrote need not be encodable; it then equals nothing.
    return value.encode("utf-8", "surrogatepass")


def _entry(entry: Any) -> Iterator[CallbackEvent]:
    changes = mapping(entry).get("changes")
    if not isinstance(changes, list):
        yield _malformed(entry)
        return
    for change in changes:
        field, value = text(mapping(change), "field"), mapping(change).get("value")
        if not field or not isinstance(value, dict):
            yield _malformed(change)
        elif field == "messages":
            yield from _messages(value)
        else:
            yield _management(field, value)


def _messages(value: Json) -> Iterator[CallbackEvent]:
    sender = identifier(mapping(value.get("metadata")), "phone_number_id")
    contacts = mappings(value.get("contacts"))
    if not any(isinstance(value.get(name), list) for name in _LISTS):
        yield OtherEvent(kind="messages", payload=value)
        return
    for item in items(value.get("messages")):
        yield (read_message(item, sender, contacts) if sender else None) or _malformed(item)
    for item in items(value.get("statuses")):
        yield _status(item, sender)
    for item in items(value.get("errors")):
        yield OtherEvent(kind="errors", payload=item)


def _status(item: Any, sender: str) -> CallbackEvent:
    status = mapping(item)
    name, message_id, at = text(status, "status"), text(status, "id"), instant(status)
    if not name or not message_id or at is None or not sender:
        return _malformed(item)
    kind = _RECEIPTS.get(name)
    if kind is None:
        # "played", and "deleted" and "warning" of older days, say nothing about delivery.
        return OtherEvent(kind=f"status.{name}", payload=status)
    return Receipt(
        kind=kind,
        sender_external_id=sender,
        provider_message_id=message_id,
        occurred_at=at,
        reference=text(status, "biz_opaque_callback_data") or None,
        recipient_ids=_recipient_ids(status),
        error=_error(status) if kind is ReceiptKind.FAILED else None,
        pricing_category=text(mapping(status.get("pricing")), "category") or None,
    )


_RECEIPTS = {kind.value: kind for kind in ReceiptKind}


def _recipient_ids(status: Json) -> tuple[str, ...]:
    members = ("recipient_id", "recipient_user_id", "recipient_parent_user_id")
    return tuple(dict.fromkeys(value for member in members if (value := text(status, member))))


def _error(status: Json) -> ProviderError:
    listed = items(status.get("errors"))
    return async_failure(listed[0] if listed else None)


def _management(field: str, value: Json) -> CallbackEvent:
    external_id = identifier(value, "message_template_id")
    name, language = text(value, "message_template_name"), text(value, "message_template_language")
    if external_id and name and language:
        if field == "message_template_status_update" and (event := text(value, "event")) and event not in _NO_STATUS:
            return TemplateStatusChanged(
                external_id=external_id,
                name=name,
                language=read_language(language),
                status=read_status(event),
                reason=_reason(value, read_status(event)),
            )
        if field == "message_template_quality_update" and (quality := text(value, "new_quality_score")):
            return TemplateQualityChanged(
                external_id=external_id, name=name, language=read_language(language), quality=quality
            )
    return OtherEvent(kind=field, payload=value)


def _reason(value: Json, status: TemplateStatus) -> str | None:
    if status is TemplateStatus.APPROVED:
        return None
    reason = text(value, "reason")
    detail = text(mapping(value.get("rejection_info")), "reason") or text(mapping(value.get("other_info")), "title")
    parts = [part for part in (reason if reason != "NONE" else "", detail) if part]
    return ": ".join(parts) or None


def _malformed(item: Any) -> OtherEvent:
    return OtherEvent(kind=MALFORMED, payload=item)
