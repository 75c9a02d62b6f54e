"""Webhooks as Twilio sends them, signed with a token or not."""

from urllib.parse import urlencode

from messaging.adapters.providers.twilio.webhooks.signature import HEADER, signature
from messaging.application.ports.providers.webhooks import WebhookRequest

TOKEN = "12345"
URL = "https://hooks.example.com/webhooks/twilio/t0ken?ref=v1.01j8zs4x7e0000000000000000.1.tag"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"


def a_webhook(
    fields: dict[str, str] | list[tuple[str, str]],
    *,
    url: str = URL,
    token: str = TOKEN,
    given: str | None = None,
) -> WebhookRequest:
    """A signed form; `given` replaces the signature."""
    pairs = sorted(set(fields.items() if isinstance(fields, dict) else fields))
    made = signature(token, url + "".join(name + value for name, value in pairs))
    return WebhookRequest(
        method="POST",
        url=url,
        headers={"content-type": FORM, HEADER: made if given is None else given},
        body=urlencode(fields).encode(),
    )


def a_status(status: str = "delivered", **fields: str) -> dict[str, str]:
    return {
        "AccountSid": "AC" + "0" * 32,
        "ApiVersion": "2010-04-01",
        "MessageSid": "SM" + "1" * 32,
        "SmsSid": "SM" + "1" * 32,
        "MessageStatus": status,
        "SmsStatus": status,
        "From": "+15017250604",
        "To": "+15558675310",
        **fields,
    }


def an_inbound(body: str = "Hello", **fields: str) -> dict[str, str]:
    return {
        "ToCountry": "US",
        "FromCity": "",
        "SmsMessageSid": "SM" + "2" * 32,
        "NumMedia": "0",
        "SmsSid": "SM" + "2" * 32,
        "SmsStatus": "received",
        "Body": body,
        "To": "+15017250604",
        "NumSegments": "1",
        "MessageSid": "SM" + "2" * 32,
        "AccountSid": "AC" + "0" * 32,
        "From": "+15558675310",
        "ApiVersion": "2010-04-01",
        **fields,
    }
