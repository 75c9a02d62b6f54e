"""Keys of the platform's administrators in a dict."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from messaging.domain.shared.ids import KeyId
from messaging.domain.tenants.admin_key import AdminKey


class InMemoryAdminKeys:
    def __init__(self, *keys: AdminKey) -> None:
        self.keys: dict[UUID, AdminKey] = {key.id: key for key in keys}

    async def add(self, key: AdminKey) -> None:
        self.keys[key.id] = key

    async def find(self, id: KeyId) -> AdminKey | None:
        return self.keys.get(id)

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[AdminKey]:
        newest_first = [self.keys[id] for id in sorted(self.keys, reverse=True)]
        return [key for key in newest_first if before is None or key.id < before][:limit]

    async def lock_working(self, *, at: datetime) -> Sequence[AdminKey]:
        return [self.keys[id] for id in sorted(self.keys) if self.keys[id].works_at(at)]

    async def revoke(self, id: KeyId, *, at: datetime) -> AdminKey | None:
        key = self.keys.get(id)
        if key is not None and key.revoked_at is None:
            key = self.keys[id] = replace(key, revoked_at=at)
        return key

    async def end(self, id: KeyId, *, at: datetime) -> AdminKey | None:
        key = self.keys.get(id)
        if key is not None:
            key = self.keys[id] = replace(key, expires_at=at)
        return key
