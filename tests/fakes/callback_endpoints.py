"""Callback endpoints and their secrets in two dicts."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from messaging.domain.callbacks.endpoint import CallbackEndpoint, CallbackSecret, EndpointStatus
from messaging.domain.shared.ids import CallbackEndpointId, CallbackSecretId, TenantId
from messaging.domain.shared.mode import Reach


class InMemoryCallbackEndpoints:
    """`all` by id, deleted ones included: what a test may look at."""

    def __init__(self, *endpoints: CallbackEndpoint) -> None:
        self.all: dict[CallbackEndpointId, CallbackEndpoint] = {it.id: it for it in endpoints}

    async def add(self, endpoint: CallbackEndpoint) -> None:
        self.all[endpoint.id] = endpoint

    async def endpoint(self, id: CallbackEndpointId) -> CallbackEndpoint | None:
        return next((it for it in self._there() if it.id == id), None)

    async def lock(self, id: CallbackEndpointId) -> CallbackEndpoint | None:
        return await self.endpoint(id)

    async def endpoints(self, *, before: UUID | None, limit: int) -> Sequence[CallbackEndpoint]:
        found = [it for it in self._there() if before is None or it.id < before]
        return sorted(found, key=lambda it: it.id, reverse=True)[:limit]

    async def update(self, endpoint: CallbackEndpoint) -> None:
        known = self.all[endpoint.id]
        self.all[endpoint.id] = replace(endpoint, mode=known.mode, created_at=known.created_at)

    async def has_room(self, most: int) -> bool:
        return len(self._there()) < most

    def _there(self) -> list[CallbackEndpoint]:
        return [it for it in self.all.values() if it.status is not EndpointStatus.DELETED]


class InMemoryCallbackSecrets:
    """`all` by id: what a test may look at."""

    def __init__(self) -> None:
        self.all: dict[CallbackSecretId, CallbackSecret] = {}

    async def live(self, endpoint_id: CallbackEndpointId, *, at: datetime) -> Sequence[CallbackSecret]:
        found = [it for it in self._of(endpoint_id) if it.expires_at is None or it.expires_at > at]
        return sorted(found, key=lambda it: (it.created_at, it.id), reverse=True)

    async def add(self, secret: CallbackSecret) -> None:
        self.all[secret.id] = secret

    async def expire(self, endpoint_id: CallbackEndpointId, *, at: datetime) -> None:
        current = [it for it in self._of(endpoint_id) if it.expires_at is None]
        self.all.update({it.id: replace(it, expires_at=at) for it in current})

    async def forget(self, endpoint_id: CallbackEndpointId, *, keep_current: bool) -> int:
        gone = [it for it in self._of(endpoint_id) if not (keep_current and it.expires_at is None)]
        for secret in gone:
            del self.all[secret.id]
        return len(gone)

    def _of(self, endpoint_id: CallbackEndpointId) -> list[CallbackSecret]:
        return [it for it in self.all.values() if it.endpoint_id == endpoint_id]


class InMemoryCallbackRoles:
    """`open(tenant, mode)` gives a transaction with both roles."""

    def __init__(self, *endpoints: CallbackEndpoint) -> None:
        self.callback_endpoints = InMemoryCallbackEndpoints(*endpoints)
        self.callback_secrets = InMemoryCallbackSecrets()

    @asynccontextmanager
    async def open(self, _tenant_id: TenantId, _mode: Reach) -> "AsyncIterator[InMemoryCallbackRoles]":
        yield self

    async def commit(self) -> None:
        """Everything is written at once."""
