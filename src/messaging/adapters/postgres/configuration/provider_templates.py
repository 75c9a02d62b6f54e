"""Templates of all tenants, locked and updated with the status changes that a provider reported."""

from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from messaging.adapters.postgres.schema import rows
from messaging.adapters.postgres.schema.tables import provider_accounts, templates
from messaging.application.ports.templates import LockedTemplates
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template


class PostgresProviderTemplates:
    """All tenants' templates, in one open transaction of the role `messaging_system`; every write calls `written`."""

    def __init__(self, core: AsyncConnection, written: Callable[[], None]) -> None:
        self._core = core
        self._written = written

    async def lock(self, news: Sequence[TemplateNews]) -> LockedTemplates:
        """Lock the templates in the order of their keys, as a synchronisation does, so that the two cannot deadlock."""
        t = templates.c
        named = sa.union(*self._wanted(news)).subquery()
        query = (
            sa.select(templates)
            .where(sa.tuple_(t.tenant_id, t.id).in_(sa.select(named.c.tenant_id, named.c.id)))
            .order_by(t.tenant_id, t.id)
            .with_for_update(key_share=True)
        )
        locked = [rows.to_template(row) for row in await self._core.execute(query)]
        a = provider_accounts.c
        keys = {(item.tenant_id, item.account_id) for item in news}
        accounts = sa.select(a.id, a.templates_listed_at, a.mode).where(sa.tuple_(a.tenant_id, a.id).in_(keys))
        # Read after the locks were granted: a synchronisation that held them has committed its time by then.
        found = (await self._core.execute(accounts)).all()
        return LockedTemplates(
            locked,
            {AccountId(row.id): row.templates_listed_at for row in found},
            {AccountId(row.id): Mode(row.mode) for row in found},
        )

    @staticmethod
    def _wanted(news: Sequence[TemplateNews]) -> Sequence[sa.Select[tuple[object, object]]]:
        """Queries for the keys of the templates that are named. Indexes: templates_external_idx, templates_name_key."""
        t = templates.c
        ids = {(item.tenant_id, item.account_id, item.external_id) for item in news}
        names = {(item.tenant_id, item.account_id, item.name, item.language) for item in news if item.name}
        return (
            sa.select(t.tenant_id, t.id).where(sa.tuple_(t.tenant_id, t.account_id, t.external_id).in_(ids)),
            sa.select(t.tenant_id, t.id).where(sa.tuple_(t.tenant_id, t.account_id, t.name, t.language).in_(names)),
        )

    async def update(self, changed: Sequence[Template]) -> None:
        t = templates.c
        for template in changed:
            self._written()
            values = rows.from_template(template)
            mine = sa.and_(t.tenant_id == values.pop("tenant_id"), t.id == values.pop("id"))
            await self._core.execute(sa.update(templates).where(mine).values(values))
