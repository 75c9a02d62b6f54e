"""Reads a tenant's configuration, or one key or account, together with the configuration's version.

The version is read before the rest. If the configuration changes in between, what was read is labelled with the older
version, and the caller reads it again.
"""

from collections import defaultdict
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.adapters.postgres.messages.idempotency import PLATFORM
from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import (
    admin_keys,
    api_keys,
    callback_endpoints,
    config_versions,
    data_keys,
    own_template_versions,
    own_templates,
    provider_accounts,
    routing_rules,
    senders,
    templates,
    tenants,
)
from messaging.application.ports.providers.descriptor import CarriedChannels
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.domain.callbacks.endpoint import CallbackEndpoint, EndpointStatus
from messaging.domain.shared.ids import AccountId, TenantId
from messaging.domain.templates.own.definition import Definition, Published
from messaging.domain.templates.template import Template
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.tenant import ApiKey, ProviderAccount


async def tenant(core: AsyncConnection, id: TenantId, carried: CarriedChannels | None) -> TenantSnapshot | None:
    version = await _version(core, id)
    row = (await core.execute(sa.select(tenants).where(tenants.c.id == id))).one_or_none()
    if row is None:
        return None
    by_account: dict[AccountId, dict[tuple[str, str], Template]] = defaultdict(dict)
    for found in map(rows.to_template, await _all(core, templates, id)):
        by_account[found.account_id][found.name, found.language] = found
    accounts = map(rows.to_account, await _all(core, provider_accounts, id))
    return TenantSnapshot(
        version=version,
        tenant=rows.to_tenant(row),
        accounts={account.id: account for account in accounts},
        senders={sender.id: sender for sender in map(rows.to_sender, await _all(core, senders, id))},
        by_account=dict(by_account),
        rules=tuple(map(rows.to_rule, await _all(core, routing_rules, id))),
        data_keys=tuple(map(rows.to_data_key, await _all(core, data_keys, id))),
        carried=carried,
        own=tuple(await _own_templates(core, id)),
        endpoints=tuple(await _endpoints(core, id)),
    )


async def api_key(core: AsyncConnection, public_id: str) -> tuple[ApiKey | None, int]:
    row = (await core.execute(sa.select(api_keys).where(api_keys.c.public_id == public_id))).one_or_none()
    if row is None:
        return None, 0
    version = await _version(core, row.tenant_id)
    # The key is read again after its version: otherwise a key revoked between the two reads would be kept, unrevoked,
    # under the version that contains the revocation.
    row = (await core.execute(sa.select(api_keys).where(api_keys.c.public_id == public_id))).one()
    return rows.to_key(row), version


async def admin_key(core: AsyncConnection, public_id: str) -> tuple[AdminKey | None, int]:
    version = await _version(core, PLATFORM)
    row = (await core.execute(sa.select(admin_keys).where(admin_keys.c.public_id == public_id))).one_or_none()
    return (None if row is None else rows.to_admin_key(row)), version


async def account(core: AsyncConnection, key: str | AccountId) -> tuple[ProviderAccount | None, int]:
    """By its webhooks' token, or by its id (index: provider_accounts_id_key)."""
    column = provider_accounts.c.webhook_token if isinstance(key, str) else provider_accounts.c.id
    wanted = sa.select(provider_accounts).where(column == key)
    row = (await core.execute(wanted)).one_or_none()
    if row is None:
        return None, 0
    version = await _version(core, row.tenant_id)
    row = (await core.execute(wanted)).one()
    return rows.to_account(row), version


async def _own_templates(core: AsyncConnection, tenant_id: TenantId) -> list[Published]:
    """The active templates of the tenant's own with the version that is sent. Index: own_template_versions_pkey."""
    t, v = own_templates.c, own_template_versions.c
    published = sa.and_(v.tenant_id == t.tenant_id, v.template_id == t.id, v.number == t.published)
    query = (
        sa.select(own_templates, v.definition)
        .join(own_template_versions, published)
        .where(t.tenant_id == tenant_id, t.status == "active")
    )
    return [
        Published(
            template=rows.to_own_template(row),
            version=row.published,
            definition=msgspec.convert(row.definition, Definition),
        )
        for row in await core.execute(query)
    ]


async def _endpoints(core: AsyncConnection, id: TenantId) -> list[CallbackEndpoint]:
    """All but deleted ones, oldest first. Index: callback_endpoints_pkey."""
    e = callback_endpoints.c
    query = sa.select(callback_endpoints).where(e.tenant_id == id, e.status != EndpointStatus.DELETED).order_by(e.id)
    return [rows.to_endpoint(row) for row in await core.execute(query)]


async def _version(core: AsyncConnection, owner: UUID) -> int:
    found = await core.scalar(sa.select(config_versions.c.version).where(config_versions.c.tenant_id == owner))
    return found or 0


async def _all(core: AsyncConnection, table: sa.Table, tenant_id: UUID) -> list[rows.AnyRow]:
    return list((await core.execute(sa.select(table).where(table.c.tenant_id == tenant_id))).all())
