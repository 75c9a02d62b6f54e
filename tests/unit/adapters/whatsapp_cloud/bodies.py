"""Bodies as Meta posts them, for the odd ones that were seen outside; and the reader that reads them."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from messaging.adapters.providers.whatsapp_cloud.webhooks.reader import WhatsAppWebhookReader
from tests.fakes.installed import a_webhook

PHONE_ID = "106540352242922"
AT = "1777896000"
SAID_AT = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
RECEIVED_AT = datetime(2026, 5, 4, 12, 7, tzinfo=UTC)

MARIA = {"profile": {"name": "Maria"}, "wa_id": "16505551234"}


def value(**lists: Any) -> dict[str, Any]:
    metadata = {"display_phone_number": "15550783881", "phone_number_id": PHONE_ID}
    return {"messaging_product": "whatsapp", "metadata": metadata} | lists


def body(*changes: dict[str, Any], field: str = "messages", **of_entry: Any) -> bytes:
    listed = [{"field": field, "value": change} for change in changes]
    entry = {"id": "102290129340398"} | of_entry | {"changes": listed}
    return msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})


def a_text(**changes: Any) -> dict[str, Any]:
    """Changes of None take a member away."""
    given = {"from": "16505551234", "id": "wamid.IN", "timestamp": AT, "type": "text", "text": {"body": "Hi"}}
    return {name: member for name, member in (given | changes).items() if member is not None}


def a_status(**changes: Any) -> dict[str, Any]:
    given = {"id": "wamid.OUT", "status": "sent", "timestamp": AT, "recipient_id": "16505551234"}
    return {name: member for name, member in (given | changes).items() if member is not None}


def read(raw: bytes) -> list[Any]:
    return list(WhatsAppWebhookReader().read(a_webhook(raw), received_at=RECEIVED_AT))


def one_message(message: Any, *contacts: Any) -> Any:
    (event,) = read(body(value(messages=[message], contacts=list(contacts))))
    return event


def one_status(status: Any) -> Any:
    (event,) = read(body(value(statuses=[status])))
    return event
