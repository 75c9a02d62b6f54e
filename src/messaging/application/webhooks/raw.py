"""Seals a received webhook: its bytes, method and URL as received, and the headers needed to interpret them."""

from collections.abc import Set as AbstractSet
from typing import Final

import msgspec
from msgspec import Struct

from messaging.application.ports.providers.webhooks import WebhookRequest
from messaging.application.ports.secrets import TenantCipher
from messaging.domain.shared.ids import WebhookId, encode_uuid

# Besides those that the provider's reader names, with which the signature can be verified again: enough to see who
# called. Cookies, tokens and headers added by proxies are dropped.
KEPT_HEADERS: Final = frozenset({"content-type", "content-length", "user-agent", "traceparent"})


class Raw(Struct, frozen=True, kw_only=True):
    """A webhook as it arrived. Header names are lower-case. Those stored by an earlier version have no URL."""

    headers: dict[str, str]
    body: bytes
    method: str = "POST"
    url: str = ""


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Raw] = msgspec.msgpack.Decoder(Raw)


def seal(cipher: TenantCipher, id: WebhookId, request: WebhookRequest, keep: AbstractSet[str]) -> bytes:
    """The sealed request. `keep` are lower-case names of headers to keep besides those that are always kept."""
    kept = {name: value for name, value in request.headers.items() if name in KEPT_HEADERS or name in keep}
    raw = Raw(headers=kept, body=request.body, method=request.method, url=request.url)
    return cipher.seal(_context(id), _encoder.encode(raw))


def unseal(cipher: TenantCipher, id: WebhookId, sealed: bytes) -> WebhookRequest:
    """Raises CannotDecrypt for a ciphertext of another webhook, tenant or key."""
    raw = _decoder.decode(cipher.open(_context(id), sealed))
    return WebhookRequest(method=raw.method, url=raw.url, headers=raw.headers, body=raw.body)


# Stored webhooks are sealed together with this text and cannot be opened with another. It keeps the names that their
# table and their ids had when the first of them was stored.
_SEALED_WITH: Final = "raw_callbacks.payload:cbk_"


def _context(id: WebhookId) -> str:
    return _SEALED_WITH + encode_uuid(id)
