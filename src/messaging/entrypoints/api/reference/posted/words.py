"""Descriptions, meanings of values and examples of what concerns callbacks."""

from typing import Any, Final

CALLBACK_VALUES: Final = {
    "CallbackEndpointStatus": {
        "deleted": "gone; shown in the answer to its deletion only",
        "disabled": "the platform posts nothing any more, see `disabled_reason`; events are kept for 30 days",
        "enabled": "events are posted",
        "paused": "you had it paused; events are kept for 30 days",
    },
    "CallbackEndpointDisabledReason": {
        "failing": "it did not answer for days",
        "gone": "it answered 410",
        "policy": "the platform's operator does not allow its address",
    },
    "CallbackOrdering": {
        "none": "events are posted as they come",
        "per_subject": "an event waits for the one before it about the same message, template, …",
    },
    "CallbackInclude": {
        "content": "what a message says",
        "recipient": "whom a message goes to, or who wrote it, in clear",
    },
}

_ENDPOINT: Final = "cbe_01kb6w4ta3h7v0w1x3y4z6a8b2"
_AT: Final = "2026-11-29T09:30:00.125000Z"
_SHOWN: Final[dict[str, Any]] = {
    "id": _ENDPOINT,
    "mode": "live",
    "url": "https://hooks.example.com/messaging",
    "url_host": "hooks.example.com",
    "description": "Order system",
    "event_types": ["message.*", "inbound.received"],
    "filters": {"channel": "sms"},
    "include": [],
    "ordering": "per_subject",
    "status": "enabled",
    "disabled_reason": None,
    "max_in_flight": 4,
    "rate": None,
    "headers": ["authorization"],
    "api_version": "2026-11",
    "created_at": _AT,
    "updated_at": _AT,
}
_TYPE: Final = {
    "name": "message.delivered",
    "group": "message",
    "description": "The message reached the recipient.",
    "schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
    "sample": {"type": "message.delivered", "timestamp": "2026-11-29T09:30:02.480Z", "data": {}},
}
_EVENT: Final[dict[str, Any]] = {
    "id": "evt_01kb6w5vb4j8w1x2y4z5a7b9c3",
    "type": "message.delivered",
    "timestamp": "2026-11-29T09:30:02.480000Z",
    "data": {
        "event_id": "evt_01kb6w5vb4j8w1x2y4z5a7b9c3",
        "sequence": 6,
        "api_version": "2026-11",
        "mode": "live",
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
            "occurred_at": "2026-11-29T09:30:02.000Z",
            "error": None,
            "possible_duplicate": False,
            "by": None,
        },
    },
    "created_at": "2026-11-29T09:30:02.480000Z",
    "trace_id": None,
}

CALLBACK_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "CallbackEndpoint": _SHOWN,
    "CallbackEndpointDetail": {**_SHOWN, "previous_secret_expires_at": None},
    "CreatedCallbackEndpoint": {**_SHOWN, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="},
    "RotatedCallbackSecret": {
        "endpoint_id": _ENDPOINT,
        "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDC2FVsBQIhrs=",
        "created_at": _AT,
        "previous_secret_expires_at": "2026-11-30T09:30:00.125000Z",
    },
    "SentCallbackTest": {
        "endpoint_id": _ENDPOINT,
        "type": "endpoint.test",
        "links": {"deliveries": f"/v1/callback-endpoints/{_ENDPOINT}/deliveries"},
    },
    "EventTypes": {"data": [_TYPE]},
    "CallbackEvent": _EVENT,
    "CallbackEvents": {"data": [_EVENT], "next_cursor": _EVENT["id"], "has_more": False},
}
