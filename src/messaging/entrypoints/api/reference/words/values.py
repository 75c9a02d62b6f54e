"""Descriptions of the values of closed lists, by the schema's public name or by `Schema.property`."""

from collections.abc import Mapping
from typing import Final

from messaging.entrypoints.api.reference.posted.words import CALLBACK_VALUES
from messaging.entrypoints.api.v1.accounts.bodies import CONNECTING, VERIFYING

MESSAGE_STATUSES: Final = {
    "scheduled": "accepted, and waits for `send_at`",
    "queued": "accepted, and waits for its turn, for a rate limit, or for the next try",
    "sending": "a worker is handing it to the provider",
    "unknown": "the request left and no usable answer came; the provider's word is awaited",
    "submitted": "the provider has accepted it",
    "sent": "the provider reports that it passed it on, or has taken it and confirms no delivery",
    "delivered": "it reached the recipient's device or mailbox",
    "read": "the recipient opened it",
    "failed": "it was refused or could not be delivered; `error` says why",
    "expired": "`expires_at` came before it could be sent",
    "cancelled": "it was cancelled before a worker took it up",
    "unconfirmed": "its outcome stayed unclear; a person decides",
    "dead": "every try was used up; a person decides, see dead letters",
}

TEMPLATE_STATUSES: Final = {
    "approved": "may be sent",
    "archived": "put away at the provider",
    "deleted": "removed at the provider",
    "disabled": "stopped by the provider for good",
    "other": "a status without a word of ours; may not be sent",
    "paused": "stopped by the provider for a while",
    "pending": "under review",
    "rejected": "refused in review; `rejected_reason` says why",
}

OWN_CHANNELS: Final = {"email": "an e-mail", "sms": "a text message"}
OWN_STATUSES: Final = {
    "active": "messages can be submitted with it once a version is published",
    "archived": "only messages that were accepted before are sent",
}

CHANNELS: Final = {"email": "an e-mail address", "sms": "a phone number", "whatsapp": "a phone number or a user id"}

VALUES: Final[Mapping[str, Mapping[str, str]]] = {
    **CALLBACK_VALUES,
    "Category": {
        "authentication": "one-time codes; never after their validity",
        "marketing": "offers and news",
        "service": "free-form answers",
        "utility": "about something the recipient did: orders, appointments, bills",
    },
    "Channel": CHANNELS,
    "IncidentImpact": {"degraded": "it works, but not as usual", "outage": "it does not work"},
    "IncidentStatus": {
        "draft": "only administrators see it",
        "published": "it is on the status page, and is not over",
        "resolved": "it is over",
    },
    "StatusComponent": {
        "accept": "accepting messages",
        "callbacks": "callbacks to tenants' systems",
        "delivery_email": "delivery by e-mail",
        "delivery_sms": "delivery by SMS",
        "delivery_whatsapp": "delivery by WhatsApp",
        "webhooks": "webhooks from providers",
    },
    "InboundMessageOddity": {
        "author_from_contact": "only the contact beside it names its author",
        "author_missing": "nothing names its author",
        "author_unreadable": "what names its author is no number and no user id",
        "id_missing": "`provider_message_id` is a hash of it",
        "id_too_long": "`provider_message_id` is the beginning of the id and a hash",
        "kind_missing": "the kind is told from what it contains",
        "time_unreadable": "`occurred_at` is when the webhook reached us",
    },
    "InboundMessageKind": {
        "button": "a tap on a template's quick reply",
        "call": "a call that a person began",
        "contacts": "shared contact cards",
        "interactive": "a choice from buttons, a list or a form",
        "location": "a place",
        "media": "image, video, audio, document or sticker",
        "other": "anything without a word of ours; `payload` has it",
        "reaction": "an emoji on a message",
        "text": "plain text",
    },
    "KeyRole": {
        "operator": "reads, and decides about messages that wait for a person",
        "owner": "everything the tenant may do",
        "reader": "reads only",
        "sender": "submits messages and reads them",
    },
    "Mode": {"live": "real recipients", "test": "the whole lifecycle against the sandbox provider"},
    "OnUnknown": {
        "hold": "never send again by itself",
        "resend": "send again, once, when later messages of the same sender prove that the provider never had it",
    },
    "OperatorActionOutcome": {"done": "the message was changed", "refused": "it stayed as it was; `code` says why"},
    "OwnTemplateChannel": OWN_CHANNELS,
    "OwnTemplateParameterType": {
        "boolean": "`true` or `false`",
        "date": "`2026-11-29`",
        "datetime": "`2026-11-29T09:30:00Z`",
        "list": "plain values, or objects with the fields in `fields`",
        "number": "`12.5`",
        "text": "a text",
        "url": "a public http or https link",
    },
    "OwnTemplateStatus": OWN_STATUSES,
    "Priority": {
        "critical": "before everything else: one-time codes",
        "default": "ordinary traffic",
        "high": "before ordinary traffic",
        "low": "campaigns; after everything else",
    },
    "ProviderAccountStatus": {
        "active": "used for sending",
        "deleted": "disconnected; receipts are still taken",
        "disabled": "sends nothing; receipts are still taken",
    },
    "ProviderAccountChange.status": {
        "active": "used for sending",
        "disabled": "sends nothing; receipts are still taken",
    },
    "SenderHealthState": {
        "closed": "messages leave as usual",
        "half_open": "a few messages are let through to see whether the provider has recovered",
        "open": "messages wait until `retry_at`",
    },
    "SenderStatus": {"active": "may send", "paused": "accepts nothing new and sends nothing"},
    "SenderTrouble": {
        "restricted": "the provider does not let this sender or account send for now",
        "unauthorized": "the provider refuses the account's access token",
        "unavailable": "the provider fails or does not answer",
    },
    "TemplateButtonKind": {
        "copy_code": "copies a coupon code",
        "other": "a kind that cannot be filled here; shown only",
        "otp": "copies or fills in a one-time code",
        "phone_number": "starts a call",
        "quick_reply": "answers with its text or payload",
        "url": "opens a link",
    },
    "TemplateCategory": {
        "authentication": "one-time codes",
        "marketing": "offers and news",
        "utility": "about something the recipient did",
    },
    "TemplateHeaderFormat": {
        "document": "a file",
        "image": "a picture",
        "location": "a place",
        "text": "one line of text",
        "video": "a film",
    },
    "TemplateParameterFormat": {"named": "`{{first_name}}`", "positional": "`{{1}}`, `{{2}}`"},
    "TemplateStatus": TEMPLATE_STATUSES,
    "TenantStatus": {"active": "its keys work", "suspended": "its keys answer 403 `tenant_suspended`"},
    "Message.status": MESSAGE_STATUSES,
    "list_messages.status": MESSAGE_STATUSES,
    "list_own_templates.channel": OWN_CHANNELS,
    "list_own_templates.status": OWN_STATUSES,
    "list_templates.status": TEMPLATE_STATUSES,
    "summarize_messages.channel": CHANNELS,
    "MessageCheck.window": {
        "closed": "the person has not written in the last 24 hours, so only a template may be sent",
        "not_needed": "templates may be sent at any time",
        "open": "free-form content may be sent",
    },
    **{f"{shape.__name__}.provider": {shape.of.name: shape.of.title} for shape in (*CONNECTING, *VERIFYING)},
    "OperatorAction.action": {
        "discard": "settle dead letters without sending",
        "requeue": "send again",
        "resolve": "settle unconfirmed messages with `outcome`",
    },
    "OperatorAction.outcome": {"failed": "the recipient did not get it"},
    "OperatorActionFilter.status": {
        "dead": "every try was used up",
        "failed": "it was refused or could not be delivered, and nobody has settled it",
        "unconfirmed": "the outcome stayed unclear",
    },
    "ProviderAccountCheck.part": {
        "account": "the provider's id of the account, and whether the token sees it",
        "app_secret": "whether the app secret is that of the token's app",
        "scopes": "what the token may do, and for which accounts",
        "token": "whether the provider accepts it, and until when",
    },
    "SmsEncoding": {
        "gsm7": "160 septets in one segment, 153 in each of several",
        "ucs2": "70 UTF-16 units in one segment, 67 in each of several",
    },
    "SenderHealth.scope": {
        "account": "the cause lies with the account and stops all its senders",
        "sender": "the cause lies with this sender alone",
    },
}


def sentence(values: Mapping[str, str]) -> str:
    """The meanings as they stand in a description."""
    return "; ".join(f"`{value}`: {meaning}" for value, meaning in values.items()) + "." if values else ""
