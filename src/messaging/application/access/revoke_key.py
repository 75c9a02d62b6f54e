"""Revokes a tenant's key: within five seconds no process accepts it."""

from messaging.application.ports.clock import Clock
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.tenants.views import KeyView
from messaging.domain.shared.ids import KeyId, TenantId
from messaging.domain.shared.mode import BOTH_MODES
from messaging.domain.shared.refusals import not_found


class RevokeKey:
    """Revokes a key; revoking it again changes nothing."""

    def __init__(self, *, open_uow: OpenUnitOfWork, clock: Clock) -> None:
        self._open = open_uow
        self._clock = clock

    async def __call__(self, tenant_id: TenantId, id: KeyId) -> KeyView:
        async with self._open(tenant_id, BOTH_MODES) as uow:
            key = await uow.api_keys.revoke_key(id, at=self._clock.now())
            if key is None:
                raise not_found()
            await uow.commit()
        return KeyView.of(key)
