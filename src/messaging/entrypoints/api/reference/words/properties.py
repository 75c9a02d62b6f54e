"""Descriptions of properties and parameters, by `Schema.property` or by the property's name wherever it occurs.

A description that stands beside a field in its struct (`Meta(description=…)`) comes first and needs no entry here.
"""

from collections.abc import Mapping
from typing import Final

from messaging.entrypoints.api.reference.words.administration import ADMINISTRATION
from messaging.entrypoints.api.reference.words.configuration import CONFIGURATION
from messaging.entrypoints.api.reference.words.messages import MESSAGES
from messaging.entrypoints.api.reference.words.templates import TEMPLATES

_EVERYWHERE: Final = {
    "after": "The `next_cursor` of the page before.",
    "channel": "How the message travels.",
    "created_at": "When it was made here, RFC 3339 in UTC.",
    "data": "The items of this page.",
    "expires_at": "After this instant it is not sent any more, RFC 3339 with an offset.",
    "has_more": "Whether there is another page.",
    "limit": "How many items at most.",
    "links": "Paths of related resources, by name.",
    "mode": "`live` traffic reaches people, `test` traffic the sandbox provider.",
    "next_cursor": "What to give as `after` for the next page; null on the last one.",
    "provider": "Which provider it is.",
    "send_at": "Not before this instant, RFC 3339 with an offset.",
}

DESCRIPTIONS: Final[Mapping[str, str]] = {
    **_EVERYWHERE,
    **MESSAGES,
    **CONFIGURATION,
    **TEMPLATES,
    **ADMINISTRATION,
}

PATH_PARAMETERS: Final = {
    "message_id": "A message's id.",
    "template_id": "A template's id.",
    "own_template_id": "The id of a template of your own.",
    "version": "The number of a version.",
    "sender_id": "A sender's id.",
    "account_id": "A provider account's id.",
    "tenant_id": "A tenant's id.",
    "key_id": "A key's id.",
    "event_id": "A provider event's id.",
    "job_id": "A job's id.",
    "incident_id": "An incident's id.",
    "endpoint_id": "A callback endpoint's id.",
}
IDEMPOTENCY_KEY: Final = (
    "A value of your choice, unique to this request. For 7 days a repetition with the same body is answered with the "
    "first answer and changes nothing; with another body it is refused."
)
IDEMPOTENT_REPLAYED: Final = "Present where the answer is a repetition of an earlier one."
RATE_LIMIT_POLICY: Final = "The limits that apply: `q` messages in `w` seconds, by name."
RATE_LIMIT: Final = "What is left of them: `r` messages, and `t` seconds until all are there again."

# Of schemas whose docstring speaks to readers of the code, or that have none.
SCHEMAS: Final = {
    "DocumentContent": "A file, by link or by the provider's media id; by WhatsApp only within the 24-hour window.",
    "ImageContent": "A picture, by link or by the provider's media id; by WhatsApp only within the 24-hour window.",
    "KeyRole": "Which operations a key opens; `x-roles` of an operation lists the roles.",
    "NewTenant": "A customer of the platform. It owns its keys, accounts, senders, templates and messages.",
    "Problem": "A refusal or failure (RFC 9457, media type application/problem+json).",
    "RoutingRule": "Which sender takes messages to numbers that begin with certain digits.",
    "SmsEncoding": "How the characters of an SMS are written.",
    "TemplateHeaderDocument": "The file for a template's document header.",
    "TemplateHeaderImage": "The picture for a template's image header.",
    "TemplateHeaderVideo": "The film for a template's video header.",
    "TenantLimits": "How much the tenant may submit. What is absent follows the platform's default; null is no limit.",
    "TenantLimitsChange": "New limits. What is left out follows the platform's default; null is no limit.",
    "TextContent": "Plain text. Free-form: by WhatsApp only within the recipient's 24-hour window.",
    "Violation": "One thing that is wrong with a request. All of them are listed, not only the first.",
}
