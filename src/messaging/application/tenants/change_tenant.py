"""Renames, suspends, reactivates and limits a tenant."""

from collections.abc import Mapping

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.application.tenants.views import TenantView
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.refusals import not_found
from messaging.domain.shared.unclear import UnclearChoices
from messaging.domain.tenants.limits import SubmissionLimits
from messaging.domain.tenants.tenant import TenantStatus


class ChangeTenant:
    """Changes a tenant. A suspended tenant's keys get 403 within a second; its stored messages stay."""

    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_system_uow

    async def __call__(
        self,
        id: TenantId,
        *,
        name: str | UnsetType = UNSET,
        status: TenantStatus | UnsetType = UNSET,
        limits: SubmissionLimits | UnsetType | None = UNSET,
        on_unknown: Mapping[Mode, UnclearChoices | None] | None = None,
    ) -> TenantView:
        async with self._open() as uow:
            tenant = await uow.platform.lock_tenant(id)
            if tenant is None:
                raise not_found()
            changed = replace(
                tenant,
                name=tenant.name if name is UNSET else name,
                status=tenant.status if status is UNSET else status,
                limits=tenant.limits if limits is UNSET else limits,
                on_unknown=replace(tenant.on_unknown, **{mode.value: it for mode, it in (on_unknown or {}).items()}),
            )
            await uow.platform.update_tenant(changed)
            await uow.commit()
        return TenantView.of(changed)
