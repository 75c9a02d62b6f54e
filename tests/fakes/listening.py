"""Tenants that listen in some modes."""

from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode


class InMemoryListening:
    """Whoever the test says listens."""

    def __init__(self, *listening: tuple[TenantId, Mode]) -> None:
        self.all = set(listening)

    def listening(self, tenant_id: TenantId, mode: Mode) -> bool:
        return (tenant_id, mode) in self.all
