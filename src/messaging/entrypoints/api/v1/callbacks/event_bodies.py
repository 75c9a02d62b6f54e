"""What bodies of callbacks look like, by the subject of the event: JSON schemas and samples for receivers.

The fan-out writes bodies; tests hold what it writes against these types.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from messaging.domain.callbacks.body import API_VERSION
from messaging.domain.callbacks.endpoint import EndpointStatus
from messaging.domain.callbacks.event_types import EventType
from messaging.domain.channels.address import Channel
from messaging.domain.conversations.inbound import InboundKind
from messaging.domain.shared.category import Category
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import TemplateCategory, TemplateStatus

_AT: Final = "2026-11-29T09:30:02.480Z"


class CallbackErrorBody(Struct, kw_only=True):
    """Why a message failed or waits."""

    code: Annotated[str, Meta(description="The provider's code, or one of ours.")]
    reason: Annotated[str, Meta(description="What it means.")]


class CallbackMessageBody(Struct, kw_only=True, omit_defaults=True):
    """The message, as it was when the event happened."""

    id: Annotated[str, Meta(description="The message's id.")]
    channel: Channel
    status: Annotated[str, Meta(description="Its status then; order events by `sequence`, not by arrival.")]
    category: Annotated[Category, Meta(description="What it is for.")]
    sender_id: Annotated[str, Meta(description="The sender it leaves from.")]
    reference: Annotated[str | None, Meta(description="Your own reference.")]
    metadata: Annotated[
        dict[str, str] | None, Meta(description="Your own metadata; null if it cannot be read any more.")
    ]
    attempt: Annotated[int | None, Meta(description="The attempt that the event is about; null if about none.")]
    provider: Annotated[str | None, Meta(description="The provider that carries it.")]
    provider_message_id: Annotated[str | None, Meta(description="The provider's id of it, once there is one.")]
    occurred_at: Annotated[datetime, Meta(description="When it happened: the provider's time where known.")]
    error: Annotated[CallbackErrorBody | None, Meta(description="Why it failed or waits; null otherwise.")]
    possible_duplicate: Annotated[bool, Meta(description="Whether it may have been sent twice, on request.")]
    by: Annotated[str | None, Meta(description="The key that decided it, such as a cancellation; null for none.")]
    to: Annotated[str, Meta(description="The recipient; with `include: recipient`.")] = ""
    content: Annotated[Any, Meta(description="What it says; with `include: content`.")] = None
    omitted: Annotated[
        tuple[str, ...], Meta(description="What was left out of the body because it is too long: `content`.")
    ] = ()


class CallbackInboundBody(Struct, kw_only=True, omit_defaults=True):
    """What a person wrote."""

    id: Annotated[str, Meta(description="The inbound message's id.")]
    channel: Annotated[Channel | None, Meta(description="Null for a sender that was added a moment ago.")]
    kind: Annotated[InboundKind, Meta(description="Of which kind it is.")]
    sender_id: Annotated[str, Meta(description="The sender it was written to.")]
    account_id: Annotated[str, Meta(description="The sender's provider account.")]
    provider_message_id: Annotated[str, Meta(description="The provider's id of it.")]
    in_reply_to: Annotated[Any, Meta(description="The provider's id of the message it answers; null if none.")]
    from_: Annotated[Any, Meta(description="Who wrote; with `include: recipient`.")] = msgspec.field(
        name="from", default=None
    )
    text: Annotated[str | None, Meta(description="What a person would read; with `include: content`.")] = None
    payload: Annotated[Any, Meta(description="As the provider sent it; with `include: content`.")] = None
    omitted: Annotated[
        tuple[str, ...], Meta(description="What was left out of the body because it is too long: `content`.")
    ] = ()


class CallbackTemplateBefore(Struct, kw_only=True):
    """A template before the change."""

    status: Annotated[TemplateStatus, Meta(description="Where it stands in the provider's review.")]
    category: Annotated[TemplateCategory, Meta(description="What it may be used for.")]
    quality: Annotated[str | None, Meta(description="The provider's rating, by its own name; null if it had none.")]


class CallbackTemplateBody(Struct, kw_only=True):
    """The template, after the change."""

    id: Annotated[str, Meta(description="The template's id; GET /v1/templates/{id} shows all of it.")]
    account_id: Annotated[str, Meta(description="Its provider account.")]
    name: Annotated[str, Meta(description="Its name.")]
    language: Annotated[str, Meta(description="Its language.")]
    status: Annotated[TemplateStatus, Meta(description="Where it stands in the provider's review.")]
    category: Annotated[TemplateCategory, Meta(description="What it may be used for.")]
    quality: Annotated[str | None, Meta(description="The provider's rating, by its own name; null if it has none.")]
    rejected_reason: Annotated[str | None, Meta(description="Why it was rejected, in the provider's words.")]
    previous: Annotated[CallbackTemplateBefore, Meta(description="What it was before, of what events are about.")]


class CallbackAccountBody(Struct, kw_only=True):
    """The provider account, and what its provider told of it."""

    id: Annotated[str, Meta(description="The account's id.")]
    provider: Annotated[str, Meta(description="The provider.")]
    kind: Annotated[str, Meta(description="What is told, by the provider's name for it.")]
    provider_event_id: Annotated[str, Meta(description="GET /v1/provider-events/{id} shows what the provider sent.")]
    links: dict[str, str]


class CallbackOfEndpointBody(Struct, kw_only=True, omit_defaults=True):
    """The callback endpoint that the event is about."""

    id: Annotated[str, Meta(description="The endpoint's id.")]
    status: Annotated[EndpointStatus, Meta(description="Whether events are posted to it.")]
    reason: Annotated[str, Meta(description="Why it was disabled.")] = ""
    failing_since: Annotated[str, Meta(description="The first failure since the last success.")] = ""
    failing_for: Annotated[str, Meta(description="For how long it has been failing, roughly.")] = ""


class CallbackAboutBody(Struct, kw_only=True):
    """What `data` of every body holds, beside the subject."""

    event_id: Annotated[str, Meta(description="The event's id, which is also the header webhook-id.")]
    sequence: Annotated[int, Meta(description="Rises with the events of one subject. Gaps are normal.")]
    api_version: Annotated[str, Meta(description="The version that the body is written in.")]
    mode: Mode


_SUBJECTS: Final[Mapping[str, type[Struct]]] = {
    "message": CallbackMessageBody,
    "inbound": CallbackInboundBody,
    "template": CallbackTemplateBody,
    "account": CallbackAccountBody,
    "endpoint": CallbackOfEndpointBody,
}
_SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "message": {
        "id": "msg_01kb6vq1f8e3x9m2s4t5v6w7y8",
        "channel": "sms",
        "status": "delivered",
        "category": "utility",
        "sender_id": "snd_01kb6t0c2de1v8h4m6n7p9q0rs",
        "reference": "order-1042",
        "metadata": {"order": "1042"},
        "attempt": 1,
        "provider": "twilio",
        "provider_message_id": "SM2b6f0c9e8d7a4f1b9c3d5e7f90a1b2c3",
        "occurred_at": _AT,
        "error": None,
        "possible_duplicate": False,
        "by": None,
    },
    "inbound": {
        "id": "inb_01kb6w2d9he4r7s8t0v1w3x4y5",
        "channel": "sms",
        "kind": "text",
        "sender_id": "snd_01kb6t0c2de1v8h4m6n7p9q0rs",
        "account_id": "acc_01kb6szv4wf9b3g5h7j8k0m1np",
        "provider_message_id": "SM90a1b2c3d4e5f60718293a4b5c6d7e8f",
        "in_reply_to": None,
    },
    "template": {
        "id": "tpl_01kb6t4m7xf2c5d8e9g1h3j4k6",
        "account_id": "acc_01kb6szv4wf9b3g5h7j8k0m1np",
        "name": "order_update",
        "language": "en_US",
        "status": "approved",
        "category": "utility",
        "quality": "GREEN",
        "rejected_reason": None,
        "previous": {"status": "pending", "category": "utility", "quality": "YELLOW"},
    },
    "endpoint": {"id": "cbe_01kb6w4ta3h7v0w1x3y4z6a8b2", "status": "enabled"},
    "account": {
        "id": "acc_01kb6szv4wf9b3g5h7j8k0m1np",
        "provider": "twilio",
        "kind": "account_update",
        "provider_event_id": "evt_01kb6w3sa2g6t9v0w2x3y5z7a1",
        "links": {"provider_event": "/v1/provider-events/evt_01kb6w3sa2g6t9v0w2x3y5z7a1"},
    },
}
_OF_ENDPOINTS: Final[Mapping[str, Mapping[str, str]]] = {
    "failing": {"failing_since": _AT, "failing_for": "1h"},
    "disabled": {"status": "disabled", "reason": "failing"},
}
_ABOUT: Final = {
    "event_id": "evt_01kb6w5vb4j8w1x2y4z5a7b9c3",
    "sequence": 5,
    "api_version": API_VERSION,
    "mode": "live",
}
_REACTION: Final = "inbound.reaction"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def subject_schemas(ref_template: str) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """References to the schema of each subject and of `about`, and the schemas that they refer to."""
    names, types = (*_SUBJECTS, "about"), (*_SUBJECTS.values(), CallbackAboutBody)
    refs, components = msgspec.json.schema_components(types, ref_template=ref_template)
    return dict(zip(names, refs, strict=True)), components


def schema_of(type: EventType) -> Mapping[str, Any]:
    """The JSON schema of a body of this type, complete in itself."""
    subject = _SUBJECTS[type.subject]
    (_, told), components = msgspec.json.schema_components([CallbackAboutBody, subject], ref_template="#/$defs/{name}")
    data = components.pop(CallbackAboutBody.__name__)
    data["properties"][type.subject] = told
    data["required"] = [*data["required"], type.subject]
    return {
        "$schema": _DIALECT,
        "title": type.name,
        "description": type.description,
        "type": "object",
        "properties": {
            "type": {"const": type.name},
            "timestamp": {
                "type": "string",
                "format": "date-time",
                "description": "When it happened: the provider's time where known, else ours.",
            },
            "data": data,
        },
        "required": ["type", "timestamp", "data"],
        "$defs": components,
    }


def sample_of(type: EventType) -> Mapping[str, Any]:
    """A body of this type as it may be posted."""
    subject = dict(_SAMPLES[type.subject])
    name = type.name.partition(".")[2]
    if type.subject == "message":
        subject["status"] = {"accepted": "queued", "requeued": "queued"}.get(name, name)
        if name in ("failed", "dead", "unknown", "unconfirmed", "expired"):
            subject["error"] = {"code": "30003", "reason": "The recipient cannot be reached on this channel."}
    elif type.subject == "endpoint":
        subject |= _OF_ENDPOINTS.get(name, {})
    elif type.name == _REACTION:
        subject["kind"] = "reaction"
    elif type.subject == "template" and name in ("approved", "rejected", "paused", "disabled"):
        subject["status"] = name
        subject["rejected_reason"] = "INVALID_FORMAT" if name == "rejected" else None
    return {"type": type.name, "timestamp": _AT, "data": {**_ABOUT, type.subject: subject}}
