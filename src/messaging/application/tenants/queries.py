"""Reads tenants, keys, provider accounts and senders: one, or a page of them, newest first."""

from uuid import UUID

from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, OpenUnitOfWork
from messaging.application.tenants.tell_health import TellHealth
from messaging.application.tenants.views import AccountView, KeyView, SenderView, TenantView, WhoAmIView
from messaging.domain.shared.ids import AccountId, Prefix, SenderId, TenantId, typeid
from messaging.domain.shared.mode import BOTH_MODES
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal


class FindTenant:
    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_system_uow

    async def __call__(self, id: TenantId) -> TenantView:
        async with self._open() as uow:
            tenant = await uow.platform.tenant(id)
        if tenant is None:
            raise not_found()
        return TenantView.of(tenant)


class ListTenants:
    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_system_uow

    async def __call__(self, *, before: UUID | None, limit: int) -> Page[TenantView, UUID]:
        async with self._open() as uow:
            rows = await uow.platform.tenants(before=before, limit=limit + 1)
        return page_of(rows, limit, lambda tenant: tenant.id, TenantView.of)


class ListKeys:
    """A tenant's keys, revoked ones included."""

    def __init__(self, *, open_uow: OpenUnitOfWork, find_tenant: FindTenant) -> None:
        self._open = open_uow
        self._find_tenant = find_tenant

    async def __call__(self, tenant_id: TenantId, *, before: UUID | None, limit: int) -> Page[KeyView, UUID]:
        await self._find_tenant(tenant_id)
        async with self._open(tenant_id, BOTH_MODES) as uow:
            rows = await uow.api_keys.keys(before=before, limit=limit + 1)
        return page_of(rows, limit, lambda key: key.id, KeyView.of)


class FindAccount:
    def __init__(self, *, open_uow: OpenUnitOfWork, webhooks_url: str) -> None:
        self._open = open_uow
        self._webhooks_url = webhooks_url

    async def __call__(self, principal: Principal, id: AccountId) -> AccountView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            account = await uow.accounts.account(id)
        if account is None:
            raise not_found()
        return AccountView.of(account, self._webhooks_url, principal.role)


class ListAccounts:
    """Accounts of the key's own mode."""

    def __init__(self, *, open_uow: OpenUnitOfWork, webhooks_url: str) -> None:
        self._open = open_uow
        self._webhooks_url = webhooks_url

    async def __call__(self, principal: Principal, *, before: UUID | None, limit: int) -> Page[AccountView, UUID]:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.accounts.accounts(before=before, limit=limit + 1)
        return page_of(
            rows,
            limit,
            lambda account: account.id,
            lambda account: AccountView.of(account, self._webhooks_url, principal.role),
        )


class FindSender:
    def __init__(self, *, open_uow: OpenUnitOfWork, tell_health: TellHealth) -> None:
        self._open = open_uow
        self._tell_health = tell_health

    async def __call__(self, principal: Principal, id: SenderId) -> SenderView:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            sender = await uow.senders.sender(id)
        if sender is None:
            raise not_found()
        return SenderView.of(sender, await self._tell_health.of(sender))


class ListSenders:
    """Senders of the key's own mode."""

    def __init__(self, *, open_uow: OpenUnitOfWork, tell_health: TellHealth) -> None:
        self._open = open_uow
        self._tell_health = tell_health

    async def __call__(self, principal: Principal, *, before: UUID | None, limit: int) -> Page[SenderView, UUID]:
        async with self._open(principal.tenant_id, principal.mode) as uow:
            rows = await uow.senders.senders(before=before, limit=limit + 1)
        page = page_of(rows, limit, lambda sender: sender.id, lambda sender: sender)
        healths = await self._tell_health(page.items)
        return Page(tuple(SenderView.of(sender, healths.get(sender.id)) for sender in page.items), page.next_after)


class WhoAmI:
    """Describes the key behind a request, from memory; it serves to check a key."""

    def __init__(self, *, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    async def __call__(self, principal: Principal) -> WhoAmIView:
        snapshot = await self._snapshots.tenant(principal.tenant_id)
        if snapshot is None:
            raise not_found()
        return WhoAmIView(
            tenant_id=typeid(Prefix.TENANT, principal.tenant_id),
            tenant_name=snapshot.tenant.name,
            key_id=typeid(Prefix.KEY, principal.key_id),
            mode=principal.mode,
            role=principal.role,
        )
