"""The `webhooks` section of the OpenAPI document: what is posted to tenants' endpoints, a request for each type."""

from collections.abc import Mapping
from typing import Any, Final

from messaging.domain.callbacks.event_types import CATALOGUE, EventType
from messaging.domain.callbacks.signature import ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER
from messaging.entrypoints.api.v1.callbacks.event_bodies import sample_of, subject_schemas

_SCHEMA: Final = "#/components/schemas/"
_HEADERS: Final = {
    ID_HEADER: "The event's id, evt_…; the same for every repetition.",
    TIMESTAMP_HEADER: "When this attempt was made, in seconds since 1970. Refuse what is older than five minutes.",
    SIGNATURE_HEADER: "`v1,` and the signature in base64, once for each secret that is live, with spaces between.",
}


def webhooks_section() -> dict[str, Any]:
    """A path item for each type of event. Standard Webhooks calls webhook what is called callback here."""
    return {type.name: {"post": _request(type)} for type in CATALOGUE}


def posted_schemas() -> Mapping[str, Any]:
    """The components that the section refers to."""
    return subject_schemas(_SCHEMA + "{name}")[1]


def _request(type: EventType) -> dict[str, Any]:
    return {
        "operationId": f"on_{type.name.replace('.', '_')}",
        "summary": type.description,
        "tags": ["Callbacks"],
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
            for name, text in _HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _schema(type), "example": sample_of(type)}},
        },
        "responses": {
            "2XX": {"description": "It was taken."},
            "410": {"description": "The endpoint is gone: it is disabled at once."},
            "default": {"description": "It was not taken, and is tried again for 24 hours."},
        },
    }


def _schema(type: EventType) -> dict[str, Any]:
    refs, _ = subject_schemas(_SCHEMA + "{name}")
    subject = {"type": "object", "properties": {type.subject: refs[type.subject]}, "required": [type.subject]}
    return {
        "type": "object",
        "properties": {
            "type": {"const": type.name},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"allOf": [refs["about"], subject]},
        },
        "required": ["type", "timestamp", "data"],
    }
