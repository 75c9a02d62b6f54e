"""Port for the log of callbacks: each attempt, written before its request, and how each callback ended."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.callbacks.delivering.lanes import EndpointKey
from messaging.domain.callbacks.disabling import FailureRecord
from messaging.domain.callbacks.verdict import End
from messaging.domain.shared.ids import CallbackAttemptId, CallbackEventId, TenantId


class StartedAttempt(Struct, frozen=True, kw_only=True):
    """The `n`-th attempt of a callback, to the host that its endpoint had then; `probe` if the breaker was open."""

    endpoint: EndpointKey
    event_id: CallbackEventId
    id: CallbackAttemptId
    n: int
    url_host: str
    probe: bool


class FinishedAttempt(Struct, frozen=True, kw_only=True):
    """How an attempt ended. `failure` names what was wrong; `excerpt` is the encrypted beginning of the answer's body.

    `peer` is the address that was connected to; it is for operators only.
    """

    tenant_id: TenantId
    id: CallbackAttemptId
    outcome: str
    http_status: int | None
    failure: str | None
    peer: str | None
    excerpt: bytes | None
    ms: int


class EndedCallback(Struct, frozen=True, kw_only=True):
    """A callback that will not be tried again."""

    endpoint: EndpointKey
    event_id: CallbackEventId
    state: End
    attempts: int
    last_failure: str | None = None


class CallbackLog(Protocol):
    """The log of all tenants, in an open transaction of the platform."""

    async def start(self, attempts: Sequence[StartedAttempt]) -> None: ...

    async def finish(self, attempts: Sequence[FinishedAttempt]) -> None: ...

    async def end(self, callbacks: Sequence[EndedCallback]) -> None:
        """Write ends; that of a callback that was replayed takes the place of the former."""
        ...

    async def failures(self, endpoint: EndpointKey, *, since: datetime) -> FailureRecord:
        """What the log holds of an endpoint's failures since then."""
        ...
