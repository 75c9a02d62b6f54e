"""Port for storing the keys of the platform's administrators."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from messaging.domain.shared.ids import KeyId
from messaging.domain.tenants.admin_key import AdminKey


class AdminKeys(Protocol):
    async def add(self, key: AdminKey) -> None: ...

    async def find(self, id: KeyId) -> AdminKey | None: ...

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[AdminKey]:
        """Newest first, revoked and expired ones included."""
        ...

    async def lock_working(self, *, at: datetime) -> Sequence[AdminKey]:
        """All that work at this instant, oldest first; nobody else revokes or ends one until the transaction ends.

        What others changed while this waited for them is seen; keys they added meanwhile may be missing.
        """
        ...

    async def revoke(self, id: KeyId, *, at: datetime) -> AdminKey | None:
        """The key as it is then; a revoked one stays as it was. None: there is none."""
        ...

    async def end(self, id: KeyId, *, at: datetime) -> AdminKey | None:
        """Sets when it expires. None: there is none."""
        ...
