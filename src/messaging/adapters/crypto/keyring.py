"""Encryption of content and credentials at rest: AES-256-GCM under data keys that the master key wraps.

Layout of everything sealed: format (1 byte), version of the data key (4, big-endian), nonce (12), ciphertext and tag.
Each context (such as one message's content) gets a key of its own, derived from the tenant's data key. So the number
of messages never wears out a data key (a random 96-bit nonce is good for 2**32 encryptions under one key), and a
ciphertext can be opened only with the context it was sealed for.
"""

import base64
import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.secrets import CannotDecrypt
from messaging.domain.shared.ids import Prefix, TenantId, typeid

KEY_BYTES = 32
_FORMAT = b"\x01"
# The first byte of each keyed fingerprint: it makes it a byte longer than the plain digests that were stored earlier.
_KEYED = b"\x01"
_VERSION_BYTES, _NONCE_BYTES, _TAG_BYTES = 4, 12, 16
_HEADER_BYTES = len(_FORMAT) + _VERSION_BYTES
_LEAST_BYTES = _HEADER_BYTES + _NONCE_BYTES + _TAG_BYTES
# The number of tenants whose unwrapped keys are kept in memory.
_REMEMBERED = 4096
# HMAC-SHA256: the length of a block, and what the key is combined with.
_BLOCK_BYTES: Final = 64
_INNER_PAD, _OUTER_PAD = (bytes(byte ^ pad for byte in range(256)) for pad in (0x36, 0x5C))


class Hmac:
    """HMAC-SHA256 (RFC 2104) with one key. Setting up a key takes longer than digesting a short text with it.

    It copies the two hashes that have taken in the key: the standard library's object, which does the same behind
    further calls of its own, takes 1.7 times as long for a short text.
    """

    def __init__(self, key: bytes) -> None:
        block = (hashlib.sha256(key).digest() if len(key) > _BLOCK_BYTES else key).ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER_PAD))
        self._outer = hashlib.sha256(block.translate(_OUTER_PAD))

    def __call__(self, text: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(text)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()


class AesTenantCipher:
    """One tenant's cipher: it seals with the newest data key, and opens with any of them.

    Blind indexes, tags and fingerprints are derived from the oldest data key, so that a rotation does not change them.
    """

    def __init__(self, tenant: str, data_keys: dict[int, bytes]) -> None:
        # A TypeID holds no NUL, so no other pair of tenant and context gives the same bytes.
        self._tenant = tenant.encode() + b"\0"
        self._data_keys = {version: Hmac(key) for version, key in data_keys.items()}
        newest = max(data_keys)
        self._newest_key = self._data_keys[newest]
        self._newest_header = _FORMAT + newest.to_bytes(_VERSION_BYTES)
        oldest = data_keys[min(data_keys)]
        self._index = Hmac(derive(oldest, "messaging/blind-index"))
        self._tag = Hmac(derive(oldest, "messaging/reference-tag"))
        self._fingerprint = Hmac(derive(oldest, "messaging/request-fingerprint"))

    def seal(self, context: str, plaintext: bytes) -> bytes:
        place = context.encode()
        header = self._newest_header
        nonce = os.urandom(_NONCE_BYTES)
        cipher = _cipher_for(self._newest_key, place)
        return header + nonce + cipher.encrypt(nonce, plaintext, self._associated(header, place))

    def open(self, context: str, sealed: bytes) -> bytes:
        if len(sealed) < _LEAST_BYTES or sealed[:1] != _FORMAT:
            raise CannotDecrypt("These bytes were not sealed by this platform.")
        header, rest = sealed[:_HEADER_BYTES], sealed[_HEADER_BYTES:]
        data_key = self._data_keys.get(int.from_bytes(header[1:]))
        if data_key is None:
            raise CannotDecrypt("The tenant does not have the data key that these bytes were sealed with.")
        place = context.encode()
        try:
            return _cipher_for(data_key, place).decrypt(
                rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], self._associated(header, place)
            )
        except InvalidTag as error:
            raise CannotDecrypt("The bytes were sealed with another key or context, or changed since.") from error

    def blind_index(self, value: str) -> bytes:
        return self._index(value.encode())

    def fingerprint(self, digest: bytes) -> bytes:
        return _KEYED + self._fingerprint(digest)

    def tag(self, text: str) -> str:
        return base64.b32encode(self._tag(text.encode())[:5]).decode().lower()

    def _associated(self, header: bytes, place: bytes) -> bytes:
        return header + self._tenant + place


class AesKeyRing:
    """The platform's keys: all are derived from `master_key` (32 random bytes) or wrapped by it."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != KEY_BYTES:
            raise ValueError(f"A master key has {KEY_BYTES} bytes, not {len(master_key)}.")
        self._wrapping = AESGCM(derive(master_key, "messaging/wrap-data-keys"))
        self._sign = Hmac(derive(master_key, "messaging/sign"))
        self._fingerprint = Hmac(derive(master_key, "messaging/request-fingerprint"))
        self._platform = AesTenantCipher("platform", {1: derive(master_key, "messaging/platform-data-key")})
        self._unwrapped = lru_cache(maxsize=_REMEMBERED)(self._unwrap)

    def new_data_key(self, tenant_id: TenantId, *, version: int = 1) -> WrappedKey:
        """A fresh random data key, wrapped; for a rotation the caller passes the next `version`."""
        nonce = os.urandom(_NONCE_BYTES)
        wrapped = self._wrapping.encrypt(nonce, os.urandom(KEY_BYTES), _key_context(tenant_id, version))
        return WrappedKey(tenant_id=tenant_id, version=version, wrapped=_FORMAT + nonce + wrapped)

    def cipher(self, tenant_id: TenantId, keys: Sequence[WrappedKey]) -> AesTenantCipher:
        return self._unwrapped(tenant_id, tuple(keys))

    def platform_cipher(self) -> AesTenantCipher:
        return self._platform

    def fingerprint(self, digest: bytes) -> bytes:
        return _KEYED + self._fingerprint(digest)

    def sign(self, text: str) -> str:
        """A signature of `text`: 128 bits of HMAC-SHA256 as 22 URL-safe characters."""
        digest = self._sign(text.encode())[:16]
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _unwrap(self, tenant_id: TenantId, keys: tuple[WrappedKey, ...]) -> AesTenantCipher:
        if not keys:
            raise CannotDecrypt("The tenant has no data key.")
        return AesTenantCipher(
            typeid(Prefix.TENANT, tenant_id), {key.version: self._unwrap_one(tenant_id, key) for key in keys}
        )

    def _unwrap_one(self, tenant_id: TenantId, key: WrappedKey) -> bytes:
        nonce, wrapped = key.wrapped[1 : 1 + _NONCE_BYTES], key.wrapped[1 + _NONCE_BYTES :]
        if key.wrapped[:1] != _FORMAT or len(wrapped) != KEY_BYTES + _TAG_BYTES:
            raise CannotDecrypt("This is not a data key wrapped by this platform.")
        try:
            return self._wrapping.decrypt(nonce, wrapped, _key_context(tenant_id, key.version))
        except InvalidTag as error:
            raise CannotDecrypt("The data key does not open under the present master key.") from error


def derive(key: bytes, purpose: str) -> bytes:
    """An independent 32-byte key for `purpose` (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose.encode()).derive(key)


def _cipher_for(data_key: Hmac, place: bytes) -> AESGCM:
    return AESGCM(data_key(place))


def _key_context(tenant_id: TenantId, version: int) -> bytes:
    return f"data_keys:{typeid(Prefix.TENANT, tenant_id)}:{version}".encode()
