"""Encrypts what an endpoint keeps secret (URL, header values, signing secrets) and decrypts it again."""

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from messaging.application.ports.secrets import TenantCipher
from messaging.domain.callbacks.endpoint import CallbackEndpoint, CallbackSecret
from messaging.domain.shared.ids import CallbackEndpointId, CallbackSecretId, Prefix, TenantId, typeid

# Gives a tenant's cipher. Raises DomainError `not_found` for an unknown tenant.
CipherOf = Callable[[TenantId], Awaitable[TenantCipher]]

_decode_headers = msgspec.json.Decoder(dict[str, str]).decode


def seal_url(cipher: TenantCipher, id: CallbackEndpointId, url: str) -> bytes:
    return cipher.seal(_context("url", id), url.encode())


def open_url(cipher: TenantCipher, endpoint: CallbackEndpoint) -> str | None:
    """The URL; None for an endpoint that is pulled. Raises CannotDecrypt."""
    sealed = endpoint.url_encrypted
    return None if sealed is None else cipher.open(_context("url", endpoint.id), sealed).decode()


def seal_headers(cipher: TenantCipher, id: CallbackEndpointId, headers: Mapping[str, str]) -> bytes | None:
    return cipher.seal(_context("headers", id), msgspec.json.encode(headers)) if headers else None


def open_headers(cipher: TenantCipher, endpoint: CallbackEndpoint) -> Mapping[str, str]:
    """The headers of the tenant's own. Raises CannotDecrypt."""
    sealed = endpoint.headers_encrypted
    return {} if sealed is None else _decode_headers(cipher.open(_context("headers", endpoint.id), sealed))


def seal_secret(cipher: TenantCipher, endpoint_id: CallbackEndpointId, id: CallbackSecretId, key: bytes) -> bytes:
    return cipher.seal(_secret_context(endpoint_id, id), key)


def open_secret(cipher: TenantCipher, secret: CallbackSecret) -> bytes:
    """The key that signs. Raises CannotDecrypt."""
    return cipher.open(_secret_context(secret.endpoint_id, secret.id), secret.secret_encrypted)


def _context(column: str, id: CallbackEndpointId) -> str:
    return f"callback_endpoints.{column}:{typeid(Prefix.CALLBACK_ENDPOINT, id)}"


def _secret_context(endpoint_id: CallbackEndpointId, id: CallbackSecretId) -> str:
    return f"callback_secrets.secret:{typeid(Prefix.CALLBACK_ENDPOINT, endpoint_id)}:{id}"
