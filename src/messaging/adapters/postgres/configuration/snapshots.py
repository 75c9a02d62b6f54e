"""The configuration that this process keeps in memory, dropped when its version in the database rises.

Every tenant's configuration has a version, raised by triggers in the transaction that changes it. A watcher asks the
database twice a second which versions were raised, and drops what they made stale. A process that changes something
itself asks right after its commit. While the watcher cannot reach the database, nothing older than three seconds is
used: every answer is then read again, or refused with StoreUnavailable.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable
from functools import partial
from math import inf
from time import monotonic
from typing import Any, Final, Generic, NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.configuration import snapshot_rows
from messaging.adapters.postgres.messages.idempotency import PLATFORM
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.providers.descriptor import CarriedChannels
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.ids import AccountId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.tenant import ApiKey, ProviderAccount

log = logging.getLogger(__name__)

# Seconds that an answer may be used while the watcher cannot reach the database.
_TRUST_SECONDS: Final = 3.0
# Seconds that "there is no such key" may be used. Short, as the key may be created; not zero, so that a flood of wrong
# keys does not reach the database.
_ABSENT_SECONDS: Final = 1.0
_MOST: Final = 10_000

# Index: config_versions_changed_idx. The query includes transactions that had not ended at the last look, so that a
# change committed late is not missed.
CHANGED: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS looked_at, v.tenant_id, v.version
FROM (SELECT) AS always
LEFT JOIN config_versions v ON v.changed_xid >= $1
"""

# Index: callback_endpoints_pkey.
LISTENING: Final = """
SELECT DISTINCT tenant_id, mode FROM callback_endpoints WHERE tenant_id = ANY($1) AND status <> 'deleted'
"""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Known(NamedTuple, Generic[V]):
    """A value and its origin. A version of `owner` above `version` makes it stale; it was read just after `read_at`."""

    value: V | None
    owner: TenantId | None
    version: int
    read_at: float


class _Memory(Generic[K, V]):
    """A cache that drops the least recently used; concurrent misses of one key read it once."""

    def __init__(self, read: Callable[[K], Awaitable[_Known[V]]]) -> None:
        self._read = read
        self._known: OrderedDict[K, _Known[V]] = OrderedDict()
        self._reading: dict[K, asyncio.Task[_Known[V]]] = {}
        self._newest: OrderedDict[TenantId, int] = OrderedDict()

    async def get(self, key: K, *, trusted_since: float) -> V | None:
        """The value of `key`; what was read before the moment `trusted_since` is read again."""
        known = self._known.get(key)
        # That something does not exist is believed for a shorter time.
        if (
            known is not None
            and known.read_at >= trusted_since
            and (known.value is not None or monotonic() - known.read_at <= _ABSENT_SECONDS)
        ):
            self._known.move_to_end(key)
            return known.value
        return (await self._read_once(key)).value

    def remembers(self, key: K) -> bool:
        known = self._known.get(key)
        return known is not None and known.value is not None

    async def _read_once(self, key: K) -> _Known[V]:
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._load(key))
            task.add_done_callback(partial(self._has_read, key))
        # A cancelled caller must not cancel the read that others wait for.
        return await asyncio.shield(task)

    def _has_read(self, key: K, task: "asyncio.Task[_Known[V]]") -> None:
        if self._reading.get(key) is task:
            del self._reading[key]

    async def _load(self, key: K) -> _Known[V]:
        known = await self._read(key)
        if known.owner is None:
            # An absent value has no owner, so no version tells whether it was created during the read.
            overtaken = self._reading.get(key) is not asyncio.current_task()
        else:
            overtaken = known.version < self._newest.get(known.owner, 0)
        if overtaken:
            # The change of version has been seen already and will not be reported again, so the value is not kept.
            return known
        self._known[key] = known
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return known

    def forget(self, owner: TenantId, version: int) -> None:
        """Drop what was read of `owner` below `version`, and keep nothing that is being read now."""
        if version > self._newest.get(owner, 0):
            self._newest[owner] = version
            # Reads in progress still answer the callers that wait for them; later callers start a new read.
            self._reading.clear()
        self._newest.move_to_end(owner)
        while len(self._newest) > _MOST:
            self._newest.popitem(last=False)
        stale = [key for key, known in self._known.items() if known.owner == owner and known.version < version]
        for key in stale:
            del self._known[key]

    def forget_absent(self) -> None:
        """Drop what was found not to exist, as it may exist now."""
        for key in [key for key, known in self._known.items() if known.value is None]:
            del self._known[key]


class PostgresSnapshots:
    """Configuration that is read through the `system` engine and kept in memory.

    While `watch` does not run, every answer is read again after 3 s.
    """

    def __init__(
        self, engine: AsyncEngine, *, carried: CarriedChannels | None = None, poll_seconds: float = 0.5
    ) -> None:
        self._engine = engine
        self._carried = carried
        self._poll_seconds = poll_seconds
        self._looked_at = 0
        self._last_look = -inf
        self._listening: dict[TenantId, frozenset[str]] = {}
        self._tenants: _Memory[TenantId, TenantSnapshot] = _Memory(self._read_tenant)
        self._api_keys: _Memory[str, ApiKey] = _Memory(self._read_api_key)
        self._admin_keys: _Memory[str, AdminKey] = _Memory(self._read_admin_key)
        self._accounts: _Memory[str | AccountId, ProviderAccount] = _Memory(self._read_account)

    async def tenant(self, id: TenantId) -> TenantSnapshot | None:
        return await self._tenants.get(id, trusted_since=self._trusted_since())

    async def api_key(self, public_id: str) -> ApiKey | None:
        return await self._api_keys.get(public_id, trusted_since=self._trusted_since())

    async def admin_key(self, public_id: str) -> AdminKey | None:
        return await self._admin_keys.get(public_id, trusted_since=self._trusted_since())

    async def account_by_token(self, token: str) -> ProviderAccount | None:
        return await self._accounts.get(token, trusted_since=self._trusted_since())

    async def account_by_id(self, id: AccountId) -> ProviderAccount | None:
        return await self._accounts.get(id, trusted_since=self._trusted_since())

    def remembers_key(self, public_id: str) -> bool:
        return self._api_keys.remembers(public_id) or self._admin_keys.remembers(public_id)

    def listening(self, tenant_id: TenantId, mode: Mode) -> bool:
        """As the port `Listening` says; without a look in the last three seconds, everybody is taken to listen."""
        return mode in self._listening.get(tenant_id, ()) or monotonic() - self._last_look >= _TRUST_SECONDS

    async def watch(self) -> None:
        """Look for changes until cancelled, also while Postgres is away. Each process that keeps snapshots runs one."""
        away = False
        while True:
            try:
                await self.look()
            except StoreUnavailable as error:
                log.warning("snapshots.not_watching", extra={"problem": str(error), "store": "postgres"})
                away = True
            else:
                if away:
                    log.info("snapshots.watching_again", extra={"store": "postgres", "back": True})
                away = False
            await asyncio.sleep(self._poll_seconds)

    async def changed(self) -> None:
        """Look for changes now, because this process has committed one: later answers contain it.

        If the look fails, the watcher's next look finds the change, as in other processes.
        """
        try:
            await self.look()
        except StoreUnavailable as error:
            log.warning("snapshots.not_looked", extra={"problem": str(error), "store": "postgres"})
        for memory in (self._tenants, self._api_keys, self._admin_keys, self._accounts):
            memory.forget_absent()

    async def look(self) -> None:
        """Drop what any process has changed since the last look. Raises StoreUnavailable."""
        began = monotonic()
        async with transaction(self._engine) as opened:
            rows = await opened.driver.fetch(CHANGED, self._looked_at)
            versions = {TenantId(row["tenant_id"]): row["version"] for row in rows if row["tenant_id"] is not None}
            if versions:
                self._heard(versions, await opened.driver.fetch(LISTENING, list(versions)))
        for tenant_id, version in versions.items():
            for memory in (self._tenants, self._api_keys, self._admin_keys, self._accounts):
                memory.forget(tenant_id, version)
        self._looked_at = rows[0]["looked_at"]
        self._last_look = began

    def _heard(self, changed: Iterable[TenantId], rows: Iterable[Any]) -> None:
        """Remember in which modes the changed tenants have an endpoint; `rows` are of LISTENING.

        The first look finds every tenant changed.
        """
        for tenant_id in changed:
            self._listening.pop(tenant_id, None)
        for row in rows:
            tenant_id = TenantId(row["tenant_id"])
            self._listening[tenant_id] = self._listening.get(tenant_id, frozenset()) | {row["mode"]}

    def _trusted_since(self) -> float:
        """The moment before which nothing is used. While looks succeed, everything kept is current, however old."""
        now = monotonic()
        return -inf if now - self._last_look < _TRUST_SECONDS else now - _TRUST_SECONDS

    async def _read_tenant(self, id: TenantId) -> _Known[TenantSnapshot]:
        read_at = monotonic()
        async with transaction(self._engine) as opened:
            found = await snapshot_rows.tenant(opened.core, id, self._carried)
        return _Known(found, id, found.version if found else 0, read_at)

    async def _read_api_key(self, public_id: str) -> _Known[ApiKey]:
        read_at = monotonic()
        async with transaction(self._engine) as opened:
            key, version = await snapshot_rows.api_key(opened.core, public_id)
        return _Known(key, key.tenant_id if key else None, version, read_at)

    async def _read_admin_key(self, public_id: str) -> _Known[AdminKey]:
        read_at = monotonic()
        async with transaction(self._engine) as opened:
            key, version = await snapshot_rows.admin_key(opened.core, public_id)
        return _Known(key, TenantId(PLATFORM), version, read_at)

    async def _read_account(self, key: str | AccountId) -> _Known[ProviderAccount]:
        """By its webhooks' token, or by its id."""
        read_at = monotonic()
        async with transaction(self._engine) as opened:
            account, version = await snapshot_rows.account(opened.core, key)
        return _Known(account, account.tenant_id if account else None, version, read_at)
