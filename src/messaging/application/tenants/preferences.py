"""Reads and changes the settings that a tenant chooses for all messages of one mode: /v1/settings."""

from msgspec import UNSET, Struct, UnsetType

from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.application.tenants.change_tenant import ChangeTenant
from messaging.domain.shared.refusals import not_found
from messaging.domain.shared.unclear import UnclearChoices
from messaging.domain.tenants.tenant import Principal


class PreferencesView(Struct, frozen=True, kw_only=True):
    """`on_unknown` says what happens to sends whose outcome stays unclear, where message and template say nothing."""

    on_unknown: UnclearChoices


class FindPreferences:
    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_system_uow

    async def __call__(self, principal: Principal) -> PreferencesView:
        async with self._open() as uow:
            tenant = await uow.platform.tenant(principal.tenant_id)
        if tenant is None:
            raise not_found()
        return PreferencesView(on_unknown=tenant.on_unknown.of(principal.mode) or UnclearChoices())


class ChangePreferences:
    """Changes the settings. They apply everywhere within a second, to messages submitted from then on."""

    def __init__(self, *, change_tenant: ChangeTenant) -> None:
        self._change_tenant = change_tenant

    async def __call__(
        self, principal: Principal, *, on_unknown: UnclearChoices | UnsetType | None = UNSET
    ) -> PreferencesView:
        chosen = {} if on_unknown is UNSET else {principal.mode: on_unknown}
        changed = await self._change_tenant(principal.tenant_id, on_unknown=chosen)
        return PreferencesView(on_unknown=changed.on_unknown.of(principal.mode) or UnclearChoices())
