"""The bodies sent in the measurements: one order notification as a request, as Meta gets it, and its receipts."""

import json
from collections.abc import Sequence
from typing import Any, Final

BATCH: Final = 500
STATUSES_PER_WEBHOOK: Final = 10
_TEMPLATE: Final = "order_confirmed"
_LANGUAGE: Final = "en_US"
_STATUSES: Final = ("sent", "delivered", "read")


def _message(to: str, priority: str | None, channel: str) -> dict[str, Any]:
    message: dict[str, Any] = {
        "to": f"ana{to.lstrip('+')}@mail.example" if channel == "email" else to,
        "channel": channel,
        "content": _CONTENTS[channel],
        "reference": "order-{n}",
    }
    return message if priority is None else message | {"priority": priority}


_NEWS: Final = "Hi Ana, we have your order A-{n} of $49.99. Example Shop"
_CONTENTS: Final[dict[str, dict[str, Any]]] = {
    "whatsapp": {
        "type": "template",
        "name": _TEMPLATE,
        "language": _LANGUAGE,
        "variables": {"1": "Ana", "2": "A-{n}", "3": "$49.99"},
        "header": {"type": "text", "text": "A-{n}"},
    },
    "sms": {"type": "text", "body": _NEWS},
    "email": {"type": "email", "subject": "Your order A-{n}", "text": _NEWS, "html": f"<p>{_NEWS}</p>"},
}
CHANNELS: Final = tuple(_CONTENTS)


def single(*, priority: str | None = None, channel: str = "whatsapp") -> str:
    """The body of `POST /v1/messages`; `{n}` (7 digits) makes each recipient and reference unique."""
    return json.dumps(_message("+1999{n}", priority, channel))


def one_to(to: str) -> Any:
    """The body of `POST /v1/messages` to a given recipient."""
    return json.loads(json.dumps(_message(to, None, "whatsapp")).replace("{n}", "1042"))


def batch(*, priority: str | None = None, channel: str = "whatsapp") -> str:
    """The body of `POST /v1/messages/batch` with BATCH messages."""
    messages = [_message(f"+1{200 + index}{{n}}", priority, channel) for index in range(BATCH)]
    return json.dumps({"messages": messages})


def graph() -> str:
    """The body of `POST /{phone}/messages` at the provider: what our worker sends for the message above."""
    header = {"type": "header", "parameters": [{"type": "text", "text": "A-{n}"}]}
    variables = [{"type": "text", "text": text} for text in ("Ana", "A-{n}", "$49.99")]
    return json.dumps(
        {
            "messaging_product": "whatsapp",
            "recipient_type": "individual",
            "to": "+1998{n}",
            "type": "template",
            "template": {
                "name": _TEMPLATE,
                "language": {"code": _LANGUAGE},
                "components": [header, {"type": "body", "parameters": variables}],
            },
            "biz_opaque_callback_data": "v1.01kaf8v3e5f8k9m2n4p6q8r0st.1.abcdefgh",
        }
    )


def receipts(waba_id: str, ledger: Sequence[dict[str, Any]], *, per_webhook: int) -> list[str]:
    """The bodies of webhooks of so many statuses each: first all `sent`, then all `delivered`, then all `read`."""
    groups = [ledger[start : start + per_webhook] for start in range(0, len(ledger), per_webhook)]
    return [_webhook(waba_id, group, status) for status in _STATUSES for group in groups]


def _webhook(waba_id: str, entries: Sequence[dict[str, Any]], status: str) -> str:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15005550006", "phone_number_id": entries[0]["sender"]},
        "statuses": [_told(entry, status) for entry in entries],
    }
    change = {"field": "messages", "value": value}
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": waba_id, "changes": [change]}]})


def _told(entry: dict[str, Any], status: str) -> dict[str, Any]:
    return {
        "id": entry["message_id"],
        "status": status,
        "timestamp": str(int(entry["received_at"]) + 1),
        "recipient_id": entry["to"].lstrip("+"),
        "biz_opaque_callback_data": entry["reference"],
    }
