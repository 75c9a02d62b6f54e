"""Ports for encryption at rest and for blind indexes, by which encrypted addresses can still be found."""

from collections.abc import Sequence
from typing import Protocol

from messaging.application.ports.platform import WrappedKey
from messaging.domain.shared.ids import TenantId


class CannotDecrypt(Exception):
    """Wrong key, wrong place or changed bytes: the ciphertext does not open here."""


class TenantCipher(Protocol):
    """AES-256-GCM under the tenant's data key. `context` names table, column and row, so that a swap does not open."""

    def seal(self, context: str, plaintext: bytes) -> bytes: ...

    def open(self, context: str, sealed: bytes) -> bytes:
        """Raises CannotDecrypt."""
        ...

    def blind_index(self, value: str) -> bytes:
        """32 bytes: equal for equal values of this tenant, meaningless without its key."""
        ...

    def fingerprint(self, digest: bytes) -> bytes:
        """33 bytes by which a request with this digest is recognised; without the tenant's key it confirms no guess."""
        ...

    def tag(self, text: str) -> str:
        """8 characters of base32 proving that this tenant's platform wrote `text` (for echoed references)."""
        ...


class KeyRing(Protocol):
    def new_data_key(self, tenant_id: TenantId) -> WrappedKey: ...

    def cipher(self, tenant_id: TenantId, keys: Sequence[WrappedKey]) -> TenantCipher:
        """Unwraps once and remembers. Raises CannotDecrypt under a wrong master key."""
        ...

    def platform_cipher(self) -> TenantCipher:
        """For what belongs to no tenant."""
        ...

    def fingerprint(self, digest: bytes) -> bytes:
        """As a tenant's cipher does, for requests on the platform's own surface."""
        ...

    def sign(self, text: str) -> str:
        """A short keyed signature for things we hand out and take back (cursors)."""
        ...
