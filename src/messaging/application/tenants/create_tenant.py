"""Creates a tenant: its row and its data key, in one transaction."""

from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.application.tenants.views import TenantView
from messaging.domain.shared.ids import TenantId
from messaging.domain.tenants.tenant import Tenant, TenantStatus


class CreateTenant:
    """Creates a tenant. Names need not be unique: tenants are told apart by their ids."""

    def __init__(
        self, *, open_system_uow: OpenSystemUnitOfWork, key_ring: KeyRing, clock: Clock, new_id: NewId
    ) -> None:
        self._open = open_system_uow
        self._key_ring = key_ring
        self._clock = clock
        self._new_id = new_id

    async def __call__(self, *, name: str) -> TenantView:
        tenant = Tenant(
            id=TenantId(self._new_id()), name=name, status=TenantStatus.ACTIVE, created_at=self._clock.now()
        )
        async with self._open() as uow:
            await uow.platform.add_tenant(tenant, self._key_ring.new_data_key(tenant.id))
            await uow.commit()
        return TenantView.of(tenant)
