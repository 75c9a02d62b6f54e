"""Endpoints and callbacks for tests: what a valid one looks like, and how a real database gets endpoints."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.callbacks.delivering.lanes import CallbackKey, EndpointKey, QueuedCallback, Wanted
from messaging.domain.shared.ids import CallbackEndpointId, CallbackEventId, TenantId
from messaging.domain.shared.mode import Mode, TenantScope
from tests.builders import ENDPOINT, NOON, TENANT

OTHER_ENDPOINT = CallbackEndpointId(UUID("019df2d9-4c00-7000-8000-000000000072"))
LANE = EndpointKey(TENANT, ENDPOINT)
LEASE = timedelta(seconds=40)
# Long after any test.
WINDOW_END = NOON.replace(year=2100)

ADD_ENDPOINT = """
INSERT INTO callback_endpoints (tenant_id, id, mode, url_encrypted, url_host, description, event_types, filters,
    include, ordering, status, disabled_reason, max_in_flight, rate, api_version, created_at, updated_at)
VALUES ($1, $2, $3, $4, 'hooks.example', '', '{*}', '{}', '{}', 'per_subject', $5,
    CASE WHEN $5 = 'disabled' THEN 'failing' END, $6, $7, '2026-11', now(), now())
"""


def a_callback(sequence: int = 1, key: str = "a", **changes: Any) -> QueuedCallback:
    """Its event's id is made of its key and sequence."""
    fields: dict[str, Any] = {
        "tenant_id": TENANT,
        "endpoint_id": ENDPOINT,
        "key": key,
        "sequence": sequence,
        "event_id": event_id(key, sequence),
        "window_ends_at": WINDOW_END,
    }
    return QueuedCallback(**(fields | changes))


def event_id(key: str, sequence: int) -> CallbackEventId:
    return CallbackEventId(UUID(int=(int.from_bytes(key.encode()) << 32) + sequence))


def callback_key(sequence: int = 1, key: str = "a") -> CallbackKey:
    return CallbackKey(key, sequence, event_id(key, sequence))


def wanted(**changes: Any) -> Wanted:
    fields: dict[str, Any] = {"lanes": 10, "heads_each": 10, "lease": LEASE}
    return Wanted(**(fields | changes))


async def add_endpoint(
    engines: Engines,
    endpoint_id: CallbackEndpointId = ENDPOINT,
    *,
    tenant_id: TenantId = TENANT,
    mode: Mode = Mode.LIVE,
    status: str = "enabled",
    max_in_flight: int = 4,
    rate: int | None = None,
    url: bytes = b"sealed",
) -> None:
    async with transaction(engines.app, scope=TenantScope(tenant_id, mode)) as opened:
        await opened.driver.execute(ADD_ENDPOINT, tenant_id, endpoint_id, mode, url, status, max_in_flight, rate)
        await opened.commit()


async def set_status(engines: Engines, status: str, endpoint: EndpointKey = LANE) -> None:
    async with transaction(engines.system) as opened:
        await opened.driver.execute(
            "UPDATE callback_endpoints SET status = $3, disabled_reason = CASE WHEN $3 = 'disabled' THEN 'failing' END"
            " WHERE tenant_id = $1 AND id = $2",
            *(endpoint.tenant_id, endpoint.endpoint_id, status),
        )
        await opened.commit()
