"""The command line's changes of tenants, keys and webhooks, made straight through the use cases."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from messaging.application.access.admin_keys import AdminKeyView, IssuedAdminKeyView, RotatedAdminKeyView
from messaging.application.tenants.views import IssuedKeyView, KeyView, TenantView
from messaging.domain.shared.ids import KeyId, Prefix, TenantId, parse_typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import KeyRole, TenantStatus
from messaging.entrypoints.composition.commands.read_all import read_all
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings


async def create_tenant(settings: Settings, name: str) -> TenantView:
    async with _tenants(settings) as tenants:
        view: TenantView = await tenants.create_tenant()(name=name)
    return view


async def list_tenants(settings: Settings, *, page: int) -> tuple[TenantView, ...]:
    """All of them, read in pages of the given size."""
    async with _tenants(settings) as tenants:
        found: tuple[TenantView, ...] = await read_all(tenants.list_tenants(), page=page)
    return found


async def change_status(settings: Settings, tenant_id: str, status: str) -> TenantView:
    async with _tenants(settings) as tenants:
        view: TenantView = await tenants.change_tenant()(_tenant_id(tenant_id), status=TenantStatus(status))
    return view


async def create_admin_key(settings: Settings, name: str, *, expires_at: datetime | None = None) -> IssuedAdminKeyView:
    async with _access(settings) as access:
        view: IssuedAdminKeyView = await access.issue_admin_key()(name=name, expires_at=expires_at)
    return view


async def list_admin_keys(settings: Settings, *, page: int) -> tuple[AdminKeyView, ...]:
    """All of them, read in pages of the given size."""
    async with _access(settings) as access:
        found: tuple[AdminKeyView, ...] = await read_all(access.list_admin_keys(), page=page)
    return found


async def revoke_admin_key(settings: Settings, key_id: str, *, force: bool) -> AdminKeyView:
    async with _access(settings) as access:
        view: AdminKeyView = await access.revoke_admin_key()(_key_id(key_id), force=force)
    return view


async def rotate_admin_key(
    settings: Settings, key_id: str, *, overlap: timedelta, expires_at: datetime | None, force: bool
) -> RotatedAdminKeyView:
    async with _access(settings) as access:
        view: RotatedAdminKeyView = await access.rotate_admin_key()(
            _key_id(key_id), overlap=overlap, expires_at=expires_at, force=force
        )
    return view


async def create_key(settings: Settings, tenant_id: str, *, mode: str, name: str, role: str) -> IssuedKeyView:
    async with _access(settings) as access:
        view: IssuedKeyView = await access.issue_key()(
            _tenant_id(tenant_id), name=name, mode=Mode(mode), role=KeyRole(role)
        )
    return view


async def list_keys(settings: Settings, tenant_id: str, *, page: int) -> tuple[KeyView, ...]:
    """All of the tenant's, read in pages of the given size."""
    async with _access(settings) as access:
        listed = partial(access.list_keys(), _tenant_id(tenant_id))
        found: tuple[KeyView, ...] = await read_all(listed, page=page)
    return found


async def revoke_key(settings: Settings, tenant_id: str, key_id: str) -> KeyView:
    async with _access(settings) as access:
        view: KeyView = await access.revoke_key()(_tenant_id(tenant_id), _key_id(key_id))
    return view


async def replay_webhooks(settings: Settings, limit: int) -> int:
    async with _application(settings) as application:
        count: int = await application.webhooks.replay()(limit)
    return count


def _tenant_id(text: str) -> TenantId:
    """The id, or `not_found`: a malformed id names nobody, like an unknown one."""
    found = parse_typeid(Prefix.TENANT, text)
    if found is None:
        raise not_found()
    return TenantId(found)


def _key_id(text: str) -> KeyId:
    found = parse_typeid(Prefix.KEY, text)
    if found is None:
        raise not_found()
    return KeyId(found)


@asynccontextmanager
async def _application(settings: Settings) -> AsyncIterator[Application]:
    async with open_resources(settings) as resources:
        yield build(settings, resources, worker="command line")


@asynccontextmanager
async def _tenants(settings: Settings) -> AsyncIterator[Any]:
    async with _application(settings) as application:
        yield application.tenants


@asynccontextmanager
async def _access(settings: Settings) -> AsyncIterator[Any]:
    async with _application(settings) as application:
        yield application.access
