"""Makes a repeated mutating request have the effect of one, by its key, fingerprint and remembered answer."""

import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, assert_never

import msgspec
from litestar import Request, Response

from messaging.application.messages.accepting import kept_reply
from messaging.application.messages.accepting.submit import IDEMPOTENCY_KEPT_FOR, IdempotencyRequest
from messaging.application.ports.clock import Clock
from messaging.application.ports.idempotency import Idempotency
from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.submissions import KeyInFlight, KeyReused, Replayed
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.tenants.accounts.ciphers import FingerprintRequests, cipher_of
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import Prefix, TenantId, typeid
from messaging.domain.shared.mode import TenantScope
from messaging.domain.tenants.tenant import Principal
from messaging.entrypoints.api.decoding.bodies import canonical
from messaging.entrypoints.api.decoding.calls import Call

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
_HEADER = HEADER.lower()
KEY_PATTERN = "^[!-~]{1,255}$"
_KEY = re.compile(KEY_PATTERN)
# Longer than any such request may take, including the time a provider takes to answer.
_LEASE = timedelta(seconds=60)

Work = Callable[[], Awaitable[msgspec.Struct]]

_encode = msgspec.json.Encoder().encode


class Sealing(msgspec.Struct, frozen=True):
    """Encrypts and decrypts an answer that holds a secret: it is remembered as ciphertext only."""

    seal: Callable[[bytes], bytes]
    open: Callable[[bytes], bytes]


class SealForTenant:
    def __init__(self, *, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self, tenant_id: TenantId) -> Sealing:
        """Encryption under the tenant's data key. Raises DomainError `not_found` for an unknown tenant."""
        cipher = await cipher_of(self._snapshots, self._key_ring, tenant_id)
        context = f"idempotency_keys.body:{typeid(Prefix.TENANT, tenant_id)}"
        return Sealing(seal=lambda plain: cipher.seal(context, plain), open=lambda sealed: cipher.open(context, sealed))


class SealForPlatform:
    """Encryption, under a key of the platform's, of answers about what belongs to no tenant."""

    def __init__(self, *, key_ring: KeyRing) -> None:
        self._key_ring = key_ring

    def __call__(self) -> Sealing:
        cipher = self._key_ring.platform_cipher()
        context = "idempotency_keys.body:platform"
        return Sealing(seal=lambda plain: cipher.seal(context, plain), open=lambda sealed: cipher.open(context, sealed))


def json_response(body: bytes, *, status: int, replayed: bool = False) -> Response[bytes]:
    headers = {REPLAYED_HEADER: "true"} if replayed else None
    return Response(body, status_code=status, media_type="application/json", headers=headers)


def idempotency_of(request: Call, raw: bytes) -> IdempotencyRequest | None:
    """The request's key with its fingerprint, or None without one. Raises DomainError `idempotency_key_invalid`."""
    key = request.headers.get(_HEADER)
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise DomainError("idempotency_key_invalid", "Use 1 to 255 visible ASCII characters, such as a UUID.")
    head = f"{request.scope.get('method')}\n{request.scope['path']}\n".encode()
    return IdempotencyRequest(key=key, digest=hashlib.sha256(head + canonical(raw)).digest())


class Once:
    """Does the work of a request with an idempotency key once, and answers repetitions with the first answer.

    All mutating operations use it but the submission of messages, which keeps its record with the messages. If the
    process dies between the effect and the record, a repetition is refused until the lease ends (60 s), and has its
    effect again after that.
    """

    def __init__(self, *, idempotency: Idempotency, fingerprints: FingerprintRequests, clock: Clock) -> None:
        self._idempotency = idempotency
        self._fingerprints = fingerprints
        self._clock = clock

    async def __call__(
        self, request: Request[Any, Any, Any], raw: bytes, work: Work, *, status: int, sealing: Sealing | None = None
    ) -> Response[bytes]:
        """Raises what `work` raises, and forgets the key then. Raises DomainError `idempotency_key_reused`,
        `request_in_flight`.
        """
        wanted = idempotency_of(request, raw)
        if wanted is None:
            return json_response(_encode(await work()), status=status)
        auth = request.auth
        scope = TenantScope(auth.tenant_id, auth.mode) if isinstance(auth, Principal) else None
        first = await self._begin(scope, wanted)
        if first is not None:
            kept = first.body if sealing is None else sealing.open(first.body)
            return json_response(kept_reply.unpack(kept), status=first.status, replayed=True)
        body = await self._effect(scope, wanted.key, work)
        packed = kept_reply.pack(body)
        kept = packed if sealing is None else sealing.seal(packed)
        await self._idempotency.finish(scope, wanted.key, status=status, body=kept)
        return json_response(body, status=status)

    async def _begin(self, scope: TenantScope | None, wanted: IdempotencyRequest) -> Replayed | None:
        now = self._clock.now()
        outcome = await self._idempotency.begin(
            scope,
            wanted.key,
            await self._fingerprints(scope, wanted.digest),
            expires_at=now + IDEMPOTENCY_KEPT_FOR,
            lease_until=now + _LEASE,
        )
        match outcome:
            case None | Replayed():
                return outcome
            case KeyReused():
                raise DomainError(
                    "idempotency_key_reused",
                    "This Idempotency-Key was used with another request. Use a new key for a new request.",
                )
            case KeyInFlight():
                raise DomainError(
                    "request_in_flight",
                    "The first request with this Idempotency-Key has not finished. Ask again in a moment.",
                )
            case _:
                assert_never(outcome)

    async def _effect(self, scope: TenantScope | None, key: str, work: Work) -> bytes:
        try:
            return _encode(await work())
        except Exception:
            # Without the database the reservation stays until its lease ends; the first error is the one to report.
            with contextlib.suppress(StoreUnavailable):
                await self._idempotency.abandon(scope, key)
            raise
