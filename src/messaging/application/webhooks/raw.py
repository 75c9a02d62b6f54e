"""Seals a received webhook: the bytes as received, and the headers needed to interpret them."""

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

from messaging.application.ports.secrets import TenantCipher
from messaging.domain.shared.ids import WebhookId, encode_uuid

# Enough to verify the signature again and to see who called; cookies, tokens and headers added by proxies are dropped.
KEPT_HEADERS = frozenset(
    {"content-type", "content-length", "user-agent", "x-hub-signature", "x-hub-signature-256", "traceparent"}
)


class Raw(Struct, frozen=True, kw_only=True):
    """A webhook as it arrived. Header names are lower-case."""

    headers: dict[str, str]
    body: bytes


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Raw] = msgspec.msgpack.Decoder(Raw)


def seal(cipher: TenantCipher, id: WebhookId, headers: Mapping[str, str], body: bytes) -> bytes:
    kept = {name: value for name, value in headers.items() if name in KEPT_HEADERS}
    return cipher.seal(_context(id), _encoder.encode(Raw(headers=kept, body=body)))


def unseal(cipher: TenantCipher, id: WebhookId, sealed: bytes) -> Raw:
    """Raises CannotDecrypt for a ciphertext of another webhook, tenant or key."""
    return _decoder.decode(cipher.open(_context(id), sealed))


# Stored webhooks are sealed together with this text and cannot be opened with another. It keeps the names that their
# table and their ids had when the first of them was stored.
_SEALED_WITH: Final = "raw_callbacks.payload:cbk_"


def _context(id: WebhookId) -> str:
    return _SEALED_WITH + encode_uuid(id)
