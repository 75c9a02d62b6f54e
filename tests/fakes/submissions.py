"""Accepting messages into a dict: what Postgres would have committed."""

from collections.abc import Sequence

from messaging.application.ports.submissions import (
    Acceptance,
    AcceptOutcome,
    Fingerprint,
    IdempotencyClaim,
    KeyInFlight,
    KeyReused,
    NewMessage,
    Replayed,
    Stored,
)
from messaging.domain.shared.ids import MessageId, TenantId
from messaging.domain.shared.mode import Mode


class InMemorySubmissions:
    """`messages` holds what is stored, by id. `fails_with`, once set, is raised instead of storing, and
    `in_flight` are keys whose first request has not ended yet.
    """

    def __init__(self) -> None:
        self.messages: dict[MessageId, NewMessage] = {}
        self.fails_with: Exception | None = None
        self.in_flight: set[str] = set()
        self._keys: dict[tuple[TenantId, Mode, str], IdempotencyClaim] = {}

    async def accept_many(self, batch: Sequence[Acceptance]) -> Sequence[AcceptOutcome]:
        if self.fails_with is not None:
            raise self.fails_with
        return [self._accept(member) for member in batch]

    async def known(
        self, tenant_id: TenantId, mode: Mode, key: str, fingerprint: Fingerprint
    ) -> Replayed | KeyReused | KeyInFlight | None:
        if (claim := self._keys.get((tenant_id, mode, key))) is None:
            return None
        return (
            Replayed(status=claim.status, body=claim.body)
            if fingerprint.is_of(claim.fingerprint.keyed)
            else KeyReused()
        )

    def _accept(self, member: Acceptance) -> AcceptOutcome:
        if member.messages and self.messages.keys() >= {new.message.id for new in member.messages}:
            return Stored()
        if (claim := member.idempotency) is not None:
            if claim.key in self.in_flight:
                return KeyInFlight()
            known = self._keys.setdefault((member.tenant_id, member.mode, claim.key), claim)
            if not claim.fingerprint.is_of(known.fingerprint.keyed):
                return KeyReused()
            if known is not claim:
                return Replayed(status=known.status, body=known.body)
        self.messages |= {new.message.id: new for new in member.messages}
        return Stored()
