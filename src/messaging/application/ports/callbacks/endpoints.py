"""Ports for a tenant's callback endpoints and their secrets. Bound to a transaction in one mode."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from messaging.domain.callbacks.endpoint import CallbackEndpoint, CallbackSecret
from messaging.domain.shared.ids import CallbackEndpointId


class CallbackEndpoints(Protocol):
    """Endpoints that are not deleted."""

    async def add(self, endpoint: CallbackEndpoint) -> None:
        """Store the endpoint with its lane, on which nothing waits."""
        ...

    async def endpoint(self, id: CallbackEndpointId) -> CallbackEndpoint | None: ...

    async def lock(self, id: CallbackEndpointId) -> CallbackEndpoint | None:
        """The endpoint, which nobody else changes before this transaction ends."""
        ...

    async def endpoints(self, *, before: UUID | None, limit: int) -> Sequence[CallbackEndpoint]:
        """A page, newest first."""
        ...

    async def update(self, endpoint: CallbackEndpoint) -> None:
        """Write everything of the endpoint but its mode and its time of creation."""
        ...

    async def has_room(self, most: int) -> bool:
        """Whether there are fewer than `most`. Other transactions that ask wait for this one."""
        ...


class CallbackSecrets(Protocol):
    """Secrets that sign callbacks. An endpoint has one without an end; others sign on until they expire."""

    async def live(self, endpoint_id: CallbackEndpointId, *, at: datetime) -> Sequence[CallbackSecret]:
        """Those that sign at that time, newest first."""
        ...

    async def add(self, secret: CallbackSecret) -> None: ...

    async def expire(self, endpoint_id: CallbackEndpointId, *, at: datetime) -> None:
        """Let the current secret, which has no end yet, sign until then."""
        ...

    async def forget(self, endpoint_id: CallbackEndpointId, *, keep_current: bool) -> int:
        """Delete the endpoint's secrets, all or all but the current one; returns how many."""
        ...
