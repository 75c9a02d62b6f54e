"""Port for what a callback is made of when it is posted: its endpoint with the live secrets, and its event's bodies."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from messaging.application.ports.callbacks.delivering.lanes import EndpointKey
from messaging.domain.callbacks.endpoint import CallbackEndpoint, CallbackSecret, DisabledReason
from messaging.domain.shared.ids import CallbackEventId, TenantId


class EventKey(NamedTuple):
    tenant_id: TenantId
    event_id: CallbackEventId


class Target(Struct, frozen=True, kw_only=True):
    """An endpoint and the secrets that sign now, newest first."""

    endpoint: CallbackEndpoint
    secrets: Sequence[CallbackSecret]


class StoredBodies(Struct, frozen=True, kw_only=True):
    """The encrypted bodies of an event, and what the post's headers and the metrics say of it."""

    type: str
    sealed: bytes
    trace_id: str | None


class CallbackTargets(Protocol):
    """Endpoints and events of all tenants, in an open transaction of the platform."""

    async def targets(self, endpoints: Collection[EndpointKey]) -> Mapping[EndpointKey, Target]:
        """Those that have a URL."""
        ...

    async def bodies(self, events: Collection[EventKey]) -> Mapping[EventKey, StoredBodies]:
        """Those that are still kept."""
        ...

    async def disable(self, endpoint: EndpointKey, reason: DisabledReason) -> bool:
        """Disable an enabled endpoint; False if it was none."""
        ...
