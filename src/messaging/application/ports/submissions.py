"""Port that stores accepted messages: everything of a request in one transaction, many requests in one commit."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from msgspec import Struct

from messaging.domain.messages.message import Message
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode


class NewMessage(Struct, frozen=True, kw_only=True):
    """`sealed` is the encrypted payload (recipient, content, metadata); `recipient_index` the keyed blind index."""

    message: Message
    sealed: bytes
    recipient_index: bytes


class Fingerprint(NamedTuple):
    """The identity of a request, by which a repetition is recognised.

    `keyed` is stored. `plain`, the SHA-256 of method, route and canonical body, is only compared with records of an
    older version that stored it: whoever reads a plain digest can confirm guesses of a short content.
    """

    keyed: bytes
    plain: bytes

    def is_of(self, known: bytes) -> bool:
        """Whether a stored fingerprint is of this request."""
        return known in self


class IdempotencyClaim(Struct, frozen=True, kw_only=True):
    """An idempotency key with its request and the reply to repeat; `body` is the reply, packed and encrypted."""

    key: str
    fingerprint: Fingerprint
    status: int
    body: bytes
    expires_at: datetime


class Acceptance(Struct, frozen=True, kw_only=True):
    """One request's whole effect: messages, contents, dispatches, first events and its idempotency record.

    `mode` is that of the key that asked, and of every message here.
    """

    tenant_id: TenantId
    mode: Mode
    messages: tuple[NewMessage, ...]
    idempotency: IdempotencyClaim | None


class Stored(Struct, frozen=True, tag="stored"):
    """Committed by this call (or, after a lost commit reply, found committed under the same message ids)."""


class Replayed(Struct, frozen=True, tag="replayed"):
    """The key was used before with the same request: answer exactly this."""

    status: int
    body: bytes


class KeyReused(Struct, frozen=True, tag="key_reused"):
    """The key was used before with another request: 422."""


class KeyInFlight(Struct, frozen=True, tag="key_in_flight"):
    """The first request with this key has not finished: 409 with Retry-After."""


AcceptOutcome = Stored | Replayed | KeyReused | KeyInFlight


class Submissions(Protocol):
    """The store of accepted messages. Each call is a transaction of its own."""

    async def accept_many(self, batch: Sequence[Acceptance]) -> Sequence[AcceptOutcome]:
        """Store requests and commit durably; returns one outcome for each, in order. Tenants and modes may be mixed.

        If an idempotency key occurs twice in a batch, the first request is stored and the others are compared with it.
        """
        ...

    async def known(
        self, tenant_id: TenantId, mode: Mode, key: str, fingerprint: Fingerprint
    ) -> Replayed | KeyReused | KeyInFlight | None:
        """The outcome that a request with this key would get, without storing anything; None if the key is free."""
        ...
