"""Webhooks as Meta sends them, signed by hand: what a provider outside of us would put on the wire."""

import hashlib
import hmac
import json
from typing import Any

from tests.builders import PHONE_NUMBER_ID, WABA_ID

APP_SECRET = "7d1f3c9a0b5e4d2f8a6c1e9b3d7f5a20"
VERIFY_TOKEN = "let-me-in"
AT = "1777896000"


def signed(body: bytes, secret: str = APP_SECRET) -> dict[str, str]:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"content-type": "application/json", "x-hub-signature-256": f"sha256={signature}"}


def webhook(*changes: dict[str, Any]) -> bytes:
    return entries({"id": WABA_ID, "changes": list(changes)})


def told_at(time: int, *changes: dict[str, Any]) -> dict[str, Any]:
    """An entry with the provider's time, as management events have it."""
    return {"id": WABA_ID, "time": time, "changes": list(changes)}


def entries(*entry: dict[str, Any]) -> bytes:
    return json.dumps({"object": "whatsapp_business_account", "entry": list(entry)}).encode()


def statuses(*items: dict[str, Any], phone_number_id: str = PHONE_NUMBER_ID) -> dict[str, Any]:
    return _messages(phone_number_id, {"statuses": list(items)})


def status(wamid: str, kind: str = "delivered", **more: Any) -> dict[str, Any]:
    return {"id": wamid, "status": kind, "timestamp": AT, "recipient_id": "14155552671"} | more


def texts(*bodies: str, phone_number_id: str = PHONE_NUMBER_ID, wamid: str = "wamid.in") -> dict[str, Any]:
    messages = [
        {"from": "14155552671", "id": f"{wamid}.{n}", "timestamp": AT, "type": "text", "text": {"body": body}}
        for n, body in enumerate(bodies)
    ]
    contacts = [{"profile": {"name": "Ana"}, "wa_id": "14155552671"}]
    return _messages(phone_number_id, {"contacts": contacts, "messages": messages})


def template_news(event: str, *, external_id: str, name: str, language: str) -> dict[str, Any]:
    value = {
        "event": event,
        "message_template_id": external_id,
        "message_template_name": name,
        "message_template_language": language,
        "reason": "NONE",
    }
    return {"field": "message_template_status_update", "value": value}


def template_rewritten(*, external_id: str, name: str, language: str) -> dict[str, Any]:
    value = {
        "message_template_id": external_id,
        "message_template_name": name,
        "message_template_language": language,
        "message_template_element": "Hi {{1}}, order {{2}} leaves on {{3}}.",
    }
    return {"field": "message_template_components_update", "value": value}


def _messages(phone_number_id: str, value: dict[str, Any]) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": phone_number_id}
    return {"field": "messages", "value": {"messaging_product": "whatsapp", "metadata": metadata} | value}
