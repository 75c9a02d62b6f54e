"""Remembered answers in a dict; nothing expires."""

from dataclasses import dataclass
from datetime import UTC, datetime

from messaging.application.ports.submissions import Fingerprint, KeyInFlight, KeyReused, Replayed
from messaging.domain.shared.mode import TenantScope


@dataclass
class _Kept:
    fingerprint: bytes
    lease_until: datetime
    answer: Replayed | None = None


class InMemoryIdempotency:
    def __init__(self) -> None:
        self._kept: dict[tuple[TenantScope | None, str], _Kept] = {}

    async def begin(
        self,
        scope: TenantScope | None,
        key: str,
        fingerprint: Fingerprint,
        *,
        expires_at: datetime,
        lease_until: datetime,
    ) -> Replayed | KeyReused | KeyInFlight | None:
        known = self._kept.get((scope, key))
        if known is None or (known.answer is None and known.lease_until <= datetime.now(UTC)):
            self._kept[scope, key] = _Kept(fingerprint.keyed, lease_until)
            return None
        if not fingerprint.is_of(known.fingerprint):
            return KeyReused()
        return known.answer or KeyInFlight()

    async def finish(self, scope: TenantScope | None, key: str, *, status: int, body: bytes) -> None:
        self._kept[scope, key].answer = Replayed(status=status, body=body)

    async def abandon(self, scope: TenantScope | None, key: str) -> None:
        if self._kept[scope, key].answer is None:
            del self._kept[scope, key]
