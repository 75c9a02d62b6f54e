"""Encodes the content of a provider event for sealing, and computes the digest by which repetitions are found."""

from typing import Any

import msgspec

from messaging.application.ports.secrets import TenantCipher
from messaging.domain.shared.ids import EventId, Prefix, typeid

# JSON, because the provider's own object was JSON.
_encoder = msgspec.json.Encoder()


def pack(content: Any) -> bytes:
    return _encoder.encode(content)


def digest(cipher: TenantCipher, kind: str, told: str, packed: bytes) -> bytes:
    """A keyed digest that is equal for the same event reported at the same time (`told`), and meaningless without the
    tenant's key.
    """
    return cipher.blind_index(f"provider_event:{kind}:{told}:{packed.decode()}")


def seal(cipher: TenantCipher, id: EventId, packed: bytes) -> bytes:
    return cipher.seal(_context(id), packed)


def unseal(cipher: TenantCipher, id: EventId, sealed: bytes) -> Any:
    """Raises CannotDecrypt for a ciphertext of another event, tenant or key."""
    return msgspec.json.decode(cipher.open(_context(id), sealed))


def _context(id: EventId) -> str:
    return f"provider_events.content:{typeid(Prefix.EVENT, id)}"
