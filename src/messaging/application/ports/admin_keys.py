"""Port for storing the keys of the platform's administrators."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from messaging.domain.shared.ids import KeyId
from messaging.domain.tenants.admin_key import AdminKey


class AdminKeys(Protocol):
    """The administrators' keys. Bound to an open transaction of the platform."""

    async def add(self, key: AdminKey) -> None: ...

    async def find(self, id: KeyId) -> AdminKey | None: ...

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[AdminKey]:
        """A page of all keys, newest first; revoked and expired keys are included."""
        ...

    async def lock_working(self, *, at: datetime) -> Sequence[AdminKey]:
        """All keys that are valid at `at`, oldest first, locked: other transactions that revoke or end one of them
        wait.

        Changes that other transactions committed while this call waited for their locks are seen; keys that they added
        meanwhile may be missing.
        """
        ...

    async def revoke(self, id: KeyId, *, at: datetime) -> AdminKey | None:
        """Revoke the key and return it. A key that was revoked before keeps its time. None if there is no such key."""
        ...

    async def end(self, id: KeyId, *, at: datetime) -> AdminKey | None:
        """Set the time at which the key expires, and return the key. None if there is no such key."""
        ...
