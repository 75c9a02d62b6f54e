"""Port for stored replies: a mutating request that is repeated within 7 days has the effect of one."""

from datetime import datetime
from typing import Protocol

from messaging.application.ports.submissions import Fingerprint, KeyInFlight, KeyReused, Replayed
from messaging.domain.shared.mode import TenantScope


class Idempotency(Protocol):
    """For requests other than message submission, which writes its record together with the messages.

    `scope` is the tenant with the key's mode, or None for the platform admin surface.
    """

    async def begin(
        self,
        scope: TenantScope | None,
        key: str,
        fingerprint: Fingerprint,
        *,
        expires_at: datetime,
        lease_until: datetime,
    ) -> Replayed | KeyReused | KeyInFlight | None:
        """Reserve the key for this request; None if that succeeded. A reservation whose lease has ended
        is taken over.
        """
        ...

    async def finish(self, scope: TenantScope | None, key: str, *, status: int, body: bytes) -> None:
        """Store the reply under the reserved key; repetitions of the request get it."""
        ...

    async def abandon(self, scope: TenantScope | None, key: str) -> None:
        """Delete the reservation of a request that failed before it had an effect, so that it can be repeated."""
        ...
