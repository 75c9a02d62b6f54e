"""Reads and writes a tenant's accounts, senders, templates, routing rules and keys, in Postgres."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import (
    api_keys,
    config_versions,
    provider_accounts,
    routing_rules,
    senders,
    templates,
)
from messaging.adapters.postgres.session.transactions import driver_error
from messaging.application.ports.configuration import Counted, Duplicate
from messaging.domain.shared.ids import AccountId, KeyId, SenderId, TemplateId
from messaging.domain.shared.mode import BothModes, TenantScope
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.templates.template import Template
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import ApiKey, ProviderAccount, Sender

_WHAT = {
    "provider_accounts_webhook_token_key": "webhook_token",
    "senders_external_key": "sender",
    "templates_name_key": "template",
    "api_keys_public_id_key": "key",
}


_COUNTED = {"accounts": provider_accounts, "senders": senders, "templates": templates, "keys": api_keys}


class PostgresConfiguration:
    """A tenant's configuration, in one open transaction of that tenant, in one mode or in both.

    Triggers raise the tenant's configuration version; `written` is called with every write.
    """

    def __init__(self, core: AsyncConnection, scope: TenantScope, written: Callable[[], None]) -> None:
        self._core = core
        self._written = written
        self._tenant_id, self._mode = scope

    async def add_account(self, account: ProviderAccount) -> None:
        await self._write(sa.insert(provider_accounts).values(rows.from_account(account)))

    async def update_account(self, account: ProviderAccount) -> None:
        await self._write(self._update(provider_accounts, account.id, rows.from_account(account)))

    async def account(self, id: AccountId) -> ProviderAccount | None:
        row = await self._one(provider_accounts, provider_accounts.c.id == id)
        return None if row is None else rows.to_account(row)

    async def account_at(self, provider: str, external_id: str) -> ProviderAccount | None:
        a = provider_accounts.c
        query = (
            sa.select(provider_accounts)
            .where(*self._scoped(provider_accounts), a.provider == provider, a.external_id == external_id)
            # An account in use comes before a deleted one, and the newest of several first.
            .order_by((a.status == "deleted"), a.id.desc())
            .limit(1)
        )
        row = (await self._core.execute(query)).one_or_none()
        return None if row is None else rows.to_account(row)

    async def delete_account(self, account: ProviderAccount) -> None:
        own = sa.select(senders.c.id).where(*self._scoped(senders), senders.c.account_id == account.id)
        await self._write(
            sa.delete(routing_rules).where(
                routing_rules.c.tenant_id == self._tenant_id, routing_rules.c.sender_id.in_(own)
            )
        )
        await self.update_account(account)

    async def revive_account(self, account: ProviderAccount) -> None:
        a = provider_accounts.c
        changed = {name: value for name, value in rows.from_account(account).items() if name not in ("tenant_id", "id")}
        await self._write(
            sa.update(provider_accounts)
            .where(*self._scoped(provider_accounts), a.id == account.id, a.status == "deleted")
            .values(changed)
        )

    async def accounts(self, *, before: UUID | None, limit: int) -> Sequence[ProviderAccount]:
        return [rows.to_account(row) for row in await self._page(provider_accounts, before, limit)]

    async def add_sender(self, sender: Sender) -> None:
        await self._write(sa.insert(senders).values(rows.from_sender(sender)))

    async def update_sender(self, sender: Sender) -> None:
        await self._write(self._update(senders, sender.id, rows.from_sender(sender)))

    async def sender(self, id: SenderId) -> Sender | None:
        row = await self._one(senders, senders.c.id == id)
        return None if row is None else rows.to_sender(row)

    async def senders(self, *, before: UUID | None, limit: int) -> Sequence[Sender]:
        return [rows.to_sender(row) for row in await self._page(senders, before, limit)]

    async def add_template(self, template: Template) -> None:
        await self._write(sa.insert(templates).values(rows.from_template(template)))

    async def update_template(self, template: Template) -> None:
        told = {name: value for name, value in rows.from_template(template).items() if name != "on_unknown"}
        await self._write(self._update(templates, template.id, told))

    async def choose_on_unknown(self, id: TemplateId, choice: OnUnknown | None) -> Template | None:
        await self._write(self._update(templates, id, {"on_unknown": choice}))
        return await self.template(id)

    async def template(self, id: TemplateId) -> Template | None:
        row = await self._one(templates, templates.c.id == id)
        return None if row is None else rows.to_template(row)

    async def template_named(self, account_id: AccountId, name: str, language: str) -> Template | None:
        t = templates.c
        row = await self._one(templates, t.account_id == account_id, t.name == name, t.language == language)
        return None if row is None else rows.to_template(row)

    async def templates(
        self, *, before: UUID | None, limit: int, name: str | None = None, status: str | None = None
    ) -> Sequence[Template]:
        conditions = []
        if name is not None:
            conditions.append(templates.c.name == name)
        if status is not None:
            conditions.append(templates.c.status == status)
        return [rows.to_template(row) for row in await self._page(templates, before, limit, *conditions)]

    async def lock_templates(self, account_id: AccountId) -> tuple[Sequence[Template], datetime | None]:
        """Lock the account first, so that two listings of one account take turns. Index: templates_name_key."""
        a, t = provider_accounts.c, templates.c
        listed = sa.select(a.templates_listed_at).where(*self._own(provider_accounts), a.id == account_id)
        listed_at = await self._core.scalar(listed.with_for_update(key_share=True))
        query = sa.select(templates).where(*self._own(templates), t.account_id == account_id).order_by(t.id)
        locked = await self._core.execute(query.with_for_update(key_share=True, of=templates))
        return [rows.to_template(row) for row in locked], listed_at

    async def templates_listed(self, account_id: AccountId, *, at: datetime) -> None:
        await self._write(self._update(provider_accounts, account_id, {"templates_listed_at": at}))

    async def has_room(self, what: Counted, most: int) -> bool:
        """Every change of the configuration writes the row of its version; locking it first keeps the count exact."""
        v, table = config_versions.c, _COUNTED[what]
        await self._core.execute(sa.select(v.version).where(v.tenant_id == self._tenant_id).with_for_update())
        # Rows of deleted accounts count too, because processes hold them in memory as well.
        counted = sa.select(sa.literal(1).label("one")).where(*self._scoped(table))
        if table is api_keys:
            counted = counted.where(api_keys.c.revoked_at.is_(None))
        found = await self._core.scalar(sa.select(sa.func.count()).select_from(counted.limit(most).subquery()))
        return found is not None and found < most

    async def replace_rules(self, rules: Sequence[RoutingRule]) -> None:
        await self._write(sa.delete(routing_rules).where(*self._own(routing_rules)))
        if rules:
            values = [rows.from_rule(rule, self._tenant_id) for rule in rules]
            await self._write(sa.insert(routing_rules).values(values))

    async def rules(self) -> Sequence[RoutingRule]:
        r = routing_rules.c
        query = sa.select(routing_rules).where(*self._own(routing_rules)).order_by(r.position, r.id)
        return [rows.to_rule(row) for row in await self._core.execute(query)]

    async def add_key(self, key: ApiKey) -> None:
        await self._write(sa.insert(api_keys).values(rows.from_key(key)))

    async def keys(self, *, before: UUID | None, limit: int) -> Sequence[ApiKey]:
        return [rows.to_key(row) for row in await self._page(api_keys, before, limit)]

    async def revoke_key(self, id: KeyId, *, at: datetime) -> ApiKey | None:
        k = api_keys.c
        await self._write(
            sa.update(api_keys).where(*self._own(api_keys), k.id == id, k.revoked_at.is_(None)).values(revoked_at=at)
        )
        row = await self._one(api_keys, k.id == id)
        return None if row is None else rows.to_key(row)

    def _own(self, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        """Conditions for rows of the tenant and mode, without those of deleted accounts."""
        own = self._scoped(table)
        if table is provider_accounts:
            return [*own, provider_accounts.c.status != "deleted"]
        if table in (senders, templates):
            a = provider_accounts.c
            in_use = sa.exists().where(
                a.tenant_id == self._tenant_id, a.id == table.c.account_id, a.status != "deleted"
            )
            return [*own, in_use]
        return own

    def _scoped(self, table: sa.Table) -> list[sa.ColumnElement[bool]]:
        """Conditions for the tenant and mode. A template has the mode of its account, a rule that of its sender."""
        own = [table.c.tenant_id == self._tenant_id]
        if isinstance(self._mode, BothModes):
            return own
        if table is templates:
            return [*own, self._of_mode(provider_accounts, table.c.account_id)]
        if table is routing_rules:
            return [*own, self._of_mode(senders, table.c.sender_id)]
        return [*own, table.c.mode == self._mode]

    def _of_mode(self, parent: sa.Table, id: sa.ColumnElement[UUID]) -> sa.ColumnElement[bool]:
        p = parent.c
        return sa.exists().where(p.tenant_id == self._tenant_id, p.id == id, p.mode == self._mode)

    def _update(self, table: sa.Table, id: UUID, values: dict[str, object]) -> sa.Update:
        changed = {name: value for name, value in values.items() if name not in ("tenant_id", "id")}
        return sa.update(table).where(*self._own(table), table.c.id == id).values(changed)

    async def _write(self, statement: sa.Insert | sa.Update | sa.Delete) -> None:
        self._written()
        try:
            await self._core.execute(statement)
        except IntegrityError as error:
            what = _WHAT.get(str(getattr(driver_error(error), "constraint_name", "")))
            if what is None:
                raise
            raise Duplicate(what) from error

    async def _one(self, table: sa.Table, *conditions: sa.ColumnElement[bool]) -> sa.Row[tuple[object, ...]] | None:
        query = sa.select(table).where(*self._own(table), *conditions)
        return (await self._core.execute(query)).one_or_none()

    async def _page(
        self, table: sa.Table, before: UUID | None, limit: int, *conditions: sa.ColumnElement[bool]
    ) -> Sequence[sa.Row[tuple[object, ...]]]:
        """A page of rows, newest first: ids are UUIDv7, so that is the primary key backwards."""
        query = sa.select(table).where(*self._own(table), *conditions)
        if before is not None:
            query = query.where(table.c.id < before)
        return (await self._core.execute(query.order_by(table.c.id.desc()).limit(limit))).all()
