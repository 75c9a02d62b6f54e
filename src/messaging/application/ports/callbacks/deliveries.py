"""Port for what a tenant sees of its callbacks, and for pausing them. Bound to a transaction in one mode."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.callbacks.endpoint import DisabledReason, EndpointStatus
from messaging.domain.shared.ids import CallbackAttemptId, CallbackEndpointId, CallbackEventId


class AttemptRow(Struct, frozen=True, kw_only=True):
    """One attempt as logged; `outcome` is None while it is under way, or if its worker was lost."""

    id: CallbackAttemptId
    event_id: CallbackEventId
    n: int
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None
    http_status: int | None
    failure: str | None
    url_host: str
    ms: int | None
    probe: bool
    excerpt: bytes | None


class DeliveryRow(Struct, frozen=True, kw_only=True):
    """What became of an event at one endpoint. One that has not ended is `waiting`, `due` or `held`."""

    endpoint_id: CallbackEndpointId
    state: str
    attempts: int
    last_failure: str | None
    ended_at: datetime | None
    next_attempt_at: datetime | None


class EndpointHealth(Struct, frozen=True, kw_only=True):
    """An endpoint and its lane. What waits is counted up to 10 000."""

    status: EndpointStatus
    disabled_reason: DisabledReason | None
    breaker: str
    failures: int
    failing_since: datetime | None
    last_success_at: datetime | None
    next_look_at: datetime | None
    due: int
    waiting: int
    held: int


class CallbackDeliveries(Protocol):
    """Of one tenant in one mode."""

    async def attempts(
        self, endpoint_id: CallbackEndpointId, *, before: CallbackAttemptId | None, limit: int
    ) -> Sequence[AttemptRow]:
        """A page, newest first."""
        ...

    async def of_event(self, event_id: CallbackEventId) -> Sequence[DeliveryRow] | None:
        """One for each endpoint that the event went to; None if there is no such event."""
        ...

    async def health(self, endpoint_id: CallbackEndpointId) -> EndpointHealth | None:
        """None for an endpoint that there is not, or that is deleted."""
        ...

    async def switch(self, endpoint_id: CallbackEndpointId, status: EndpointStatus) -> None:
        """Write the status. An endpoint that is enabled has a closed breaker; what waits for another is held soon."""
        ...
