"""Records which addresses providers report as the same person's; only new aliases are written."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec
from msgspec import Struct

from messaging.application.contacts.indexes import index_of
from messaging.application.gather import Gatherer
from messaging.application.ports.contact_aliases import AliasSource, NewAlias
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, StoreUnavailable, SystemUnitOfWork
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode

# The number of stored pairs that are cached, so that nothing is written when the same person comes again.
_MEMORY = 20_000
# Seconds for which aliases are collected into one batch; no caller waits for them.
_COLLECT = 0.05


class Told(Struct, frozen=True, kw_only=True):
    """A report that the provider calls `alias` by the name `canonical`; both are addresses, as E.164 or business-scoped
    id.
    """

    tenant_id: TenantId
    mode: Mode
    channel: Channel
    alias: str
    canonical: str
    source: AliasSource


class LearnAliases:
    """Records aliases. Most of them are known already, and then cost one look-up in memory."""

    def __init__(
        self, *, open_uow: OpenSystemUnitOfWork, snapshots: Snapshots, key_ring: KeyRing, telemetry: Telemetry
    ) -> None:
        self._open_uow = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._telemetry = telemetry
        self._stored: set[tuple[TenantId, Mode, Channel, str, str]] = set()
        self._together: Gatherer[Told, None] = Gatherer(self._in_one_transaction, writers=1, pause=_COLLECT)

    async def __call__(self, told: Told) -> None:
        """Record an alias in a transaction of its own. It is lost while the database is away: the next send to this
        person reports it again.
        """
        if _pair(told) not in self._stored:
            with suppress(StoreUnavailable):
                await self._together(told)

    async def within(self, uow: SystemUnitOfWork, told: Sequence[Told]) -> None:
        """Record aliases in the caller's transaction; no query is made if all are known."""
        fresh = {pair: item for item in told if (pair := _pair(item)) not in self._stored}
        rows = {pair: row for pair, item in fresh.items() if (row := await self._row(item)) is not None}
        if not rows:
            return
        before = await uow.contact_aliases.learn(list(rows.values()))
        # Only rows that existed before are cached: this transaction may still fail.
        self._remember([pair for pair, row in rows.items() if row.alias in before])
        for row in rows.values():
            if row.alias not in before:
                self._telemetry.count("contact_aliases_learnt", source=row.source)

    async def _in_one_transaction(self, batch: Sequence[Told]) -> Sequence[None]:
        async with self._open_uow() as uow:
            await self.within(uow, batch)
            await uow.commit(durable=False)
        self._remember([_pair(told) for told in batch])
        return [None] * len(batch)

    async def _row(self, told: Told) -> NewAlias | None:
        facts = await self._snapshots.tenant(told.tenant_id)
        if facts is None:
            return None
        cipher = self._key_ring.cipher(told.tenant_id, facts.data_keys)
        alias, canonical = index_of(cipher, told.alias), index_of(cipher, told.canonical)
        if alias == canonical:
            return None
        return NewAlias(
            tenant_id=told.tenant_id,
            mode=told.mode,
            channel=told.channel,
            alias=alias,
            canonical=canonical,
            sealed=_sealed(cipher, alias, told),
            source=told.source,
        )

    def _remember(self, pairs: Sequence[tuple[TenantId, Mode, Channel, str, str]]) -> None:
        if len(self._stored) >= _MEMORY:
            self._stored.clear()
        self._stored.update(pairs)


def _pair(told: Told) -> tuple[TenantId, Mode, Channel, str, str]:
    return told.tenant_id, told.mode, told.channel, told.alias, told.canonical


def _sealed(cipher: TenantCipher, alias: bytes, told: Told) -> bytes:
    return cipher.seal(f"contact_aliases.sealed:{alias.hex()}", msgspec.msgpack.encode((told.alias, told.canonical)))
