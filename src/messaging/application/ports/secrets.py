"""Ports for encryption at rest and for blind indexes, by which encrypted addresses can still be found."""

from collections.abc import Sequence
from typing import Protocol

from messaging.application.ports.platform import WrappedKey
from messaging.domain.shared.ids import TenantId


class CannotDecrypt(Exception):
    """The ciphertext cannot be decrypted: the key is another, the context is another, or the bytes were changed."""


class TenantCipher(Protocol):
    """Encryption by AES-256-GCM under a tenant's data key.

    `context` names the table, column and row of a ciphertext; moved to another place, it cannot be decrypted.
    """

    def seal(self, context: str, plaintext: bytes) -> bytes: ...

    def open(self, context: str, sealed: bytes) -> bytes:
        """Raises CannotDecrypt."""
        ...

    def blind_index(self, value: str) -> bytes:
        """32 bytes that are equal for equal values of this tenant, and reveal nothing without the tenant's key."""
        ...

    def fingerprint(self, digest: bytes) -> bytes:
        """33 bytes that identify a request by its digest; without the tenant's key nobody can confirm a guess by it."""
        ...

    def tag(self, text: str) -> str:
        """8 characters of base32 that prove that this platform wrote `text` for this tenant (in echoed references)."""
        ...


class KeyRing(Protocol):
    """The master key, which encrypts tenants' data keys."""

    def new_data_key(self, tenant_id: TenantId) -> WrappedKey:
        """A new random data key, encrypted under the master key."""
        ...

    def cipher(self, tenant_id: TenantId, keys: Sequence[WrappedKey]) -> TenantCipher:
        """The cipher of a tenant; its data keys are decrypted once and kept. Raises CannotDecrypt if that fails."""
        ...

    def platform_cipher(self) -> TenantCipher:
        """The cipher for data that belongs to no tenant."""
        ...

    def fingerprint(self, digest: bytes) -> bytes:
        """33 bytes that identify a request of an administrator by its digest."""
        ...

    def sign(self, text: str) -> str:
        """A short keyed signature for texts that clients get and send back, such as cursors."""
        ...
