"""Which addresses belong to the same person, in Postgres."""

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.contact_aliases import NewAlias
from messaging.domain.shared.mode import TenantScope

# Index: contact_aliases_pkey. Rows are in key order, so that two batches cannot deadlock.
LEARN: Final = """
INSERT INTO contact_aliases AS c (tenant_id, mode, alias, channel, canonical, sealed, source)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::bytea[], $7::text[])
ON CONFLICT (tenant_id, mode, alias, channel) DO UPDATE
SET canonical = excluded.canonical, sealed = excluded.sealed, source = excluded.source, learnt_at = clock_timestamp()
WHERE c.canonical <> excluded.canonical
RETURNING alias
"""


def same_person(tenant: str, mode: str, index: str) -> str:
    """A query of one column: the blind index `index` of an address, and those of the same person's other addresses.

    Indexes: contact_aliases_pkey, contact_aliases_canonical_idx.
    """
    own = f"a.tenant_id = {tenant} AND a.mode = {mode}"
    sibling = "b.tenant_id = a.tenant_id AND b.mode = a.mode AND b.canonical = a.canonical"
    return f"""
        SELECT {index} AS index
        UNION ALL SELECT a.canonical FROM contact_aliases a WHERE {own} AND a.alias = {index}
        UNION ALL SELECT a.alias FROM contact_aliases a WHERE {own} AND a.canonical = {index}
        UNION ALL SELECT b.alias FROM contact_aliases a JOIN contact_aliases b ON {sibling}
                  WHERE {own} AND a.alias = {index}
    """


NAMES_OF: Final = f"""
SELECT DISTINCT same.index
FROM unnest($3::bytea[]) AS asked(index) CROSS JOIN LATERAL ({same_person("$1::uuid", "$2", "asked.index")}) AS same
"""


class PostgresContactAliases:
    """Aliases of people, read and written in one open transaction.

    `names_of` needs the tenant and mode of a tenant's unit of work.
    """

    def __init__(self, driver: Driver, scope: TenantScope | None = None) -> None:
        self._driver = driver
        self._scope = scope

    async def learn(self, aliases: Sequence[NewAlias]) -> AbstractSet[bytes]:
        # Of several entries about one alias the last counts, because a statement may change a row only once.
        last = {(new.tenant_id, new.mode, new.alias, new.channel): new for new in aliases}
        if not last:
            return frozenset()
        rows = [(*key, new.canonical, new.sealed, new.source) for key, new in sorted(last.items())]
        written = {row["alias"] for row in await self._driver.fetch(LEARN, *zip(*rows, strict=True))}
        return {new.alias for new in last.values() if new.alias not in written}

    async def names_of(self, indexes: Collection[bytes]) -> AbstractSet[bytes]:
        if self._scope is None:
            raise RuntimeError("names_of needs a tenant's unit of work")
        return {row["index"] for row in await self._driver.fetch(NAMES_OF, *self._scope, list(indexes))}
