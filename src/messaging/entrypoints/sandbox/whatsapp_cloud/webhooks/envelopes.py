"""Builds the provider's webhooks: status, message and template objects and the envelope around them."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from messaging.entrypoints.sandbox.core.webhooks import Item, Packing, Parcel
from messaging.entrypoints.sandbox.core.wire import Json
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import PhoneNumber
from messaging.entrypoints.sandbox.whatsapp_cloud.recipients import Step
from messaging.entrypoints.sandbox.whatsapp_cloud.sent import Sent
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.shape import buttons_of, component, text_of
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Template
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import async_error

# Calling code to ISO country; enough for business-scoped ids that look right.
_COUNTRIES = {
    "351": "PT", "353": "IE", "971": "AE", "972": "IL", "234": "NG", "254": "KE", "20": "EG", "27": "ZA",
    "30": "GR", "31": "NL", "32": "BE", "33": "FR", "34": "ES", "39": "IT", "40": "RO", "41": "CH", "43": "AT",
    "44": "GB", "45": "DK", "46": "SE", "47": "NO", "48": "PL", "49": "DE", "51": "PE", "52": "MX", "54": "AR",
    "55": "BR", "56": "CL", "57": "CO", "60": "MY", "61": "AU", "62": "ID", "63": "PH", "64": "NZ", "65": "SG",
    "66": "TH", "81": "JP", "82": "KR", "84": "VN", "86": "CN", "90": "TR", "91": "IN", "92": "PK", "1": "US",
}  # fmt: skip
_LONGEST_CODE = 3


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a webhook, ready to be put into an envelope."""

    waba_id: str
    field: str
    """`messages`, or the name of a management event."""
    phone: PhoneNumber | None = None
    """The business number; None for management events."""
    list_name: str = ""
    """`statuses` or `messages`; empty for management events."""
    item: Json
    contact: Json | None = None


def user_id_of(waba_id: str, digits: str) -> str:
    """The business-scoped id of a phone's owner: stable for one account, different for another."""
    codes = (digits[:length] for length in range(_LONGEST_CODE, 0, -1))
    country = next((_COUNTRIES[code] for code in codes if code in _COUNTRIES), "US")
    scoped = hashlib.blake2b(digits.encode(), key=waba_id.encode()[:64], digest_size=7).digest()
    return f"{country}.{int.from_bytes(scoped, 'big'):017d}"


def status_item(entry: Sent, step: Step, at: float, *, echo: bool, priced: bool, conversation: bool) -> Json:
    """A status object. `failed` to a phone carries no user id, as documented."""
    item: Json = {"id": entry.message_id, "status": step.status, "timestamp": str(int(at))}
    if entry.wa_id is not None:
        item["recipient_id"] = entry.wa_id
    if step.status != "failed" or entry.wa_id is None:
        item["recipient_user_id"] = entry.user_id
    if echo and entry.reference is not None:
        item["biz_opaque_callback_data"] = entry.reference
    if step.code is not None:
        item["errors"] = [async_error(step.code)]
        return item
    if priced:
        item["pricing"] = _pricing(entry)
        if conversation:
            item["conversation"] = _conversation(entry, step, at)
    return item


def status_contact(entry: Sent) -> Json:
    """The contact beside a status that is not `failed`."""
    contact: Json = {"profile": {"name": f"User {entry.recipient[-4:]}"}, "user_id": entry.user_id}
    if entry.wa_id is not None:
        contact["wa_id"] = entry.wa_id
    return contact


def template_event(template: Template, event: str) -> Json:
    """The value of a `message_template_status_update`."""
    value: Json = {
        "event": event,
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
        "message_template_category": template.category,
        "reason": template.rejected_reason,
    }
    if event == "REJECTED":
        value["rejection_info"] = {
            "reason": "The sandbox rejects templates that ask for it.",
            "recommendation": "Remove the word sandbox_reject.",
        }
    elif event == "PAUSED":
        value["other_info"] = {"title": "FIRST_PAUSE", "description": "The template is paused for low quality."}
    elif event == "DISABLED":
        value["disable_info"] = {"disable_date": 1_751_234_563}
    return value


def components_event(template: Template) -> Json:
    """The value of a `message_template_components_update`; headers with media and examples are not part of it."""
    value: Json = {
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
        "message_template_element": text_of(component(template.components, "BODY")),
    }
    if title := text_of(component(template.components, "HEADER")):
        value["message_template_title"] = title
    if footer := text_of(component(template.components, "FOOTER")):
        value["message_template_footer"] = footer
    if buttons := buttons_of(template.components):
        value["message_template_buttons"] = [
            {f"message_template_button_{name}": text_of(button, name) for name in ("type", "text", "url")}
            for button in buttons
        ]
    return value


def quality_event(template: Template, previous: str) -> Json:
    """The value of a `message_template_quality_update`."""
    return {
        "previous_quality_score": previous,
        "new_quality_score": template.quality,
        "message_template_id": int(template.id),
        "message_template_name": template.name,
        "message_template_language": template.language,
    }


def pack(items: Sequence[Item[Update]]) -> Parcel:
    """One signed webhook with all of these updates."""
    body = envelope([item.update for item in items], time.time())
    headers = {"content-type": "application/json", "x-hub-signature-256": signature(items[0].secret, body)}
    return Parcel(body, headers)


PACKING: Final = Packing(pack)


def envelope(updates: Iterable[Update], at: float) -> bytes:
    """The body of one webhook: one entry per account, one change per number and kind.

    Non-ASCII is escaped and slashes are too, as on Meta's wire; a receiver that re-encodes fails the signature.
    """
    entries: dict[str, Json] = {}
    changes: dict[tuple[str, str, str], Json] = {}
    for update in updates:
        entry = entries.setdefault(update.waba_id, {"id": update.waba_id, "changes": []})
        if update.phone is None:
            entry["time"] = int(at)
            _append(entry, "changes", {"field": update.field, "value": update.item})
            continue
        key = (update.waba_id, update.phone.id, update.list_name)
        if (value := changes.get(key)) is None:
            value = changes[key] = _number_value(update.phone)
            _append(entry, "changes", {"field": update.field, "value": value})
        if update.contact is not None and update.contact not in _listed(value, "contacts")[-1:]:
            _append(value, "contacts", update.contact)
        _append(value, update.list_name, update.item)
    body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": list(entries.values())})
    if not body.isascii():
        body = json.dumps(json.loads(body), ensure_ascii=True, separators=(",", ":")).encode()
    return body.replace(b"/", b"\\/")


def signature(app_secret: str, body: bytes) -> str:
    """The `X-Hub-Signature-256` header of these exact bytes."""
    return "sha256=" + hmac.digest(app_secret.encode(), body, "sha256").hex()


def _number_value(phone: PhoneNumber) -> Json:
    metadata = {"display_phone_number": phone.digits, "phone_number_id": phone.id}
    return {"messaging_product": "whatsapp", "metadata": metadata}


def _listed(owner: Json, name: str) -> list[object]:
    listed = owner.setdefault(name, [])
    assert isinstance(listed, list)
    return listed


def _append(owner: Json, name: str, item: Json) -> None:
    _listed(owner, name).append(item)


def _pricing(entry: Sent) -> Json:
    free = entry.in_window and entry.category in ("service", "utility")
    return {
        "billable": not free,
        "pricing_model": "PMP",
        "type": "free_customer_service" if free else "regular",
        "category": entry.category,
    }


def _conversation(entry: Sent, step: Step, at: float) -> Json:
    conversation: Json = {
        "id": hashlib.blake2b(entry.message_id.encode(), digest_size=16).hexdigest(),
        "origin": {"type": entry.category},
    }
    if step.status == "sent":
        conversation["expiration_timestamp"] = str(int(at) + 86_400)
    return conversation
