"""Examples of answers about deliveries of callbacks, by the schema's public name."""

from typing import Any, Final

_EVENT: Final = "evt_01k5c0v7t3m9n1p2q4r5s6t7v8"
_ENDPOINT: Final = "cbe_01k5c0v7t3m9n1p2q4r5s6t7v8"
_AT: Final = "2026-11-29T09:30:02Z"
_DELIVERY: Final = {
    "endpoint_id": _ENDPOINT,
    "state": "due",
    "attempts": 2,
    "last_failure": "http_503",
    "ended_at": None,
    "next_attempt_at": _AT,
}

DELIVERY_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "CallbackAttempt": {
        "id": "cbd_01k5c0v7t3m9n1p2q4r5s6t7v8",
        "event_id": _EVENT,
        "attempt": 2,
        "started_at": _AT,
        "finished_at": _AT,
        "outcome": "failed",
        "http_status": 503,
        "failure": "http_503",
        "url_host": "hooks.example.com",
        "duration_ms": 412,
        "probe": False,
        "response_excerpt": "Service Unavailable",
    },
    "CallbackDelivery": _DELIVERY,
    "CallbackDeliveries": {"data": [_DELIVERY]},
    "ReplayedEvent": {"event_id": _EVENT, "endpoint_id": _ENDPOINT},
    "EndpointHealth": {
        "id": _ENDPOINT,
        "status": "enabled",
        "disabled_reason": None,
        "breaker": "open",
        "consecutive_failures": 7,
        "failing_since": _AT,
        "last_success_at": "2026-11-29T08:00:00Z",
        "next_attempt_at": "2026-11-29T09:31:02Z",
        "due": 3,
        "waiting": 12,
        "held": 0,
    },
}
