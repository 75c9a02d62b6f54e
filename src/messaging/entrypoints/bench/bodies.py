"""What is sent in the measurements: the same order notification as a request, as Meta gets it, and its receipts."""

import json
from collections.abc import Iterable
from typing import Any, Final

BATCH: Final = 100
_TEMPLATE: Final = "order_confirmed"
_LANGUAGE: Final = "en_US"
_STATUSES: Final = ("sent", "delivered", "read")


def _message(to: str) -> dict[str, Any]:
    return {
        "to": to,
        "channel": "whatsapp",
        "content": {
            "type": "template",
            "name": _TEMPLATE,
            "language": _LANGUAGE,
            "variables": {"1": "Ana", "2": "A-{n}", "3": "$49.99"},
            "header": {"type": "text", "text": "A-{n}"},
        },
        "reference": "order-{n}",
    }


def single() -> str:
    """`POST /v1/messages`; `{n}` (7 digits) makes each recipient and reference unique."""
    return json.dumps(_message("+1999{n}"))


def batch() -> str:
    """`POST /v1/messages/batch` with BATCH messages."""
    return json.dumps({"messages": [_message(f"+1{index:02d}{{n}}") for index in range(BATCH)]})


def graph() -> str:
    """`POST /{phone}/messages` at the provider: what our worker sends for the message above."""
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


def receipts(waba_id: str, ledger: Iterable[dict[str, Any]]) -> list[str]:
    """One POST per status, as Meta mostly does; all `sent`, then all `delivered`, then all `read`."""
    entries = list(ledger)
    return [_receipt(waba_id, entry, status) for status in _STATUSES for entry in entries]


def _receipt(waba_id: str, entry: dict[str, Any], status: str) -> str:
    told = {
        "id": entry["message_id"],
        "status": status,
        "timestamp": str(int(entry["received_at"]) + 1),
        "recipient_id": entry["to"].lstrip("+"),
        "biz_opaque_callback_data": entry["reference"],
    }
    value = {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "15005550006", "phone_number_id": entry["sender"]},
        "statuses": [told],
    }
    change = {"field": "messages", "value": value}
    return json.dumps({"object": "whatsapp_business_account", "entry": [{"id": waba_id, "changes": [change]}]})
