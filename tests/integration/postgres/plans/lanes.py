"""The hot statements of lanes, with arguments and indexes, and the endpoints and callbacks they are explained on."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

# Besides ten live endpoints of the first tenant, 1 000 dead ones of the second: all have a hundred callbacks that wait.
POPULATE_LANES: Final = """
INSERT INTO callback_endpoints (tenant_id, id, mode, url_encrypted, url_host, description, event_types, filters,
    include, ordering, status, max_in_flight, api_version, created_at, updated_at)
SELECT uuid_tail(CASE WHEN n > 10 THEN 2 ELSE 1 END), uuid_tail(n), 'live', 'sealed', 'hooks.example', '', '{*}', '{}',
    '{}', 'per_subject', 'enabled', 4, '2026-11', now(), now() FROM generate_series(1, 1010) n;
INSERT INTO callback_lanes (tenant_id, endpoint_id, due_at, breaker, in_slow_pool)
SELECT e.tenant_id, e.id, now() + CASE WHEN n.dead THEN interval '15 minutes' ELSE interval '-1 second' END,
    CASE WHEN n.dead THEN 'open' ELSE 'closed' END, n.dead
FROM callback_endpoints e CROSS JOIN LATERAL (SELECT e.tenant_id = uuid_tail(2) AS dead) n;
INSERT INTO callback_queue (tenant_id, endpoint_id, event_id, sequence, due_at, window_ends_at, head, key)
SELECT e.tenant_id, e.id, uuid_tail(k * 100 + s), s, now() - interval '1 hour', now() + interval '1 day', s = 1,
    'message:' || k
FROM callback_endpoints e, generate_series(1, 20) k, generate_series(1, 5) s;
"""

ONE: Final = [UUID(int=1)]
SECOND: Final = timedelta(seconds=1)
_NOW: Final = datetime.now(UTC)
_KEYS: Final = (ONE, ONE)
_CALLBACKS: Final = (*_KEYS, ["message:1"], [1], ONE)


def of_lanes() -> Mapping[str, tuple[Sequence[Any], Sequence[str]]]:
    """Arguments and indexes by name."""
    written = (*_KEYS, ["closed"], [0], [None], [0], [None], [None], [0], [None], [False], [False], [SECOND])
    return {
        "lock-lanes": (_KEYS, ["callback_lanes_pkey"]),
        "enqueue-callbacks": ((*_CALLBACKS, [_NOW], [None]), ["callback_queue_pkey"]),
        "claim-lanes": ((False, 50, 10, SECOND, []), ["callback_lanes_due_idx", "callback_queue_due_idx"]),
        "lock-claimed-lanes": ((*_KEYS, [1]), ["callback_lanes_pkey"]),
        "end-callbacks": (_CALLBACKS, ["callback_queue_pkey"]),
        "promote-callbacks": ((*_KEYS, ["message:1"]), ["callback_queue_pkey"]),
        "retry-callbacks": ((*_CALLBACKS, [_NOW], [1], [1]), ["callback_queue_pkey"]),
        "take-callbacks": ((*_KEYS, [4], ["{}"]), ["callback_queue_due_idx"]),
        "write-lanes": (written, ["callback_lanes_pkey", "callback_queue_due_idx"]),
        "live-secrets": (_KEYS, []),
        "event-bodies": (_KEYS, ["callback_events_pkey"]),
        "start-attempts": ((ONE, ONE, ONE, ONE, [1], ["hooks.example"], [False]), []),
        "finish-attempts": (
            (*_KEYS, ["delivered"], [200], [None], [None], [None], [3]),
            ["callback_attempts_pkey"],
        ),
        "callback-ends": ((ONE, ONE, ONE, ["delivered"], [1], [None]), []),
        "overdue-callbacks": ((*ONE, *ONE, 500), ["callback_queue_due_idx"]),
    }
