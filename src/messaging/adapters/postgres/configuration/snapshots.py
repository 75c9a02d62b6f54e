"""What this process remembers of the configuration, and how it notices that it is out of date.

Every tenant's configuration has a version, raised by triggers in the transaction that changes it. A watcher asks twice
a second which versions were raised and forgets what they made stale; a process that changes something itself looks as
soon as that is committed. While the watcher cannot look, nothing older than a few seconds is trusted: then every answer
is read anew, or refused with StoreUnavailable.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from functools import partial
from time import monotonic
from typing import Final, Generic, NamedTuple, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.configuration import snapshot_rows
from messaging.adapters.postgres.messages.idempotency import PLATFORM
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.providers import CarriedChannels
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.ids import TenantId
from messaging.domain.tenants.admin_key import AdminKey
from messaging.domain.tenants.tenant import ApiKey, ProviderAccount

log = logging.getLogger(__name__)

# How long an answer is good while the watcher does not get through.
_TRUST_SECONDS: Final = 3.0
# A key that does not exist may be made the next moment; a flood of wrong keys must not reach the database all the same.
_ABSENT_SECONDS: Final = 1.0
_MOST: Final = 10_000

# Index: config_versions_changed_idx. Transactions that had not ended at the last look are looked at again, so that a
# change committed late is not missed.
CHANGED: Final = """
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS looked_at, v.tenant_id, v.version
FROM (SELECT) AS always
LEFT JOIN config_versions v ON v.changed_xid >= $1
"""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Known(NamedTuple, Generic[V]):
    """`owner` and `version` say which change makes it stale; `read_at` is the moment before it was read."""

    value: V | None
    owner: TenantId | None
    version: int
    read_at: float


class _Memory(Generic[K, V]):
    """Least recently used first; concurrent misses of one key read it once."""

    def __init__(self, read: Callable[[K], Awaitable[_Known[V]]]) -> None:
        self._read = read
        self._known: OrderedDict[K, _Known[V]] = OrderedDict()
        self._reading: dict[K, asyncio.Task[_Known[V]]] = {}
        self._newest: OrderedDict[TenantId, int] = OrderedDict()

    async def get(self, key: K, *, trusted_since: float) -> V | None:
        """`trusted_since`: what was read before this moment is read again."""
        known = self._known.get(key)
        if known is not None and known.read_at >= trusted_since and not _faded(known):
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
        # One caller that goes away must not take the answer from the others.
        return await asyncio.shield(task)

    def _has_read(self, key: K, task: "asyncio.Task[_Known[V]]") -> None:
        if self._reading.get(key) is task:
            del self._reading[key]

    async def _load(self, key: K) -> _Known[V]:
        known = await self._read(key)
        if known.owner is None:
            # Nobody's, so no version tells whether it was made while it was looked for.
            overtaken = self._reading.get(key) is not asyncio.current_task()
        else:
            overtaken = known.version < self._newest.get(known.owner, 0)
        if overtaken:
            # The news of it has come already and will not come again: do not keep it.
            return known
        self._known[key] = known
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return known

    def forget(self, owner: TenantId, version: int) -> None:
        """Everything of `owner` that was read before it reached `version`, or is being read."""
        if version > self._newest.get(owner, 0):
            self._newest[owner] = version
            # They go on for those who wait already; who asks from now on is read for anew.
            self._reading.clear()
        self._newest.move_to_end(owner)
        while len(self._newest) > _MOST:
            self._newest.popitem(last=False)
        stale = [key for key, known in self._known.items() if known.owner == owner and known.version < version]
        for key in stale:
            del self._known[key]

    def forget_absent(self) -> None:
        """What did not exist may do so now."""
        for key in [key for key, known in self._known.items() if known.value is None]:
            del self._known[key]


def _faded(known: _Known[V]) -> bool:
    return known.value is None and monotonic() - known.read_at > _ABSENT_SECONDS


class PostgresSnapshots:
    """Runs on the `system` engine. Without `watch` running it answers all the same, and reads everything every 3 s."""

    def __init__(
        self, engine: AsyncEngine, *, carried: CarriedChannels | None = None, poll_seconds: float = 0.5
    ) -> None:
        self._engine = engine
        self._carried = carried
        self._poll_seconds = poll_seconds
        self._looked_at = 0
        self._last_look = float("-inf")
        self._tenants: _Memory[TenantId, TenantSnapshot] = _Memory(self._read_tenant)
        self._api_keys: _Memory[str, ApiKey] = _Memory(self._read_api_key)
        self._admin_keys: _Memory[str, AdminKey] = _Memory(self._read_admin_key)
        self._accounts: _Memory[str, ProviderAccount] = _Memory(self._read_account)

    async def tenant(self, id: TenantId) -> TenantSnapshot | None:
        return await self._tenants.get(id, trusted_since=self._trusted_since())

    async def api_key(self, public_id: str) -> ApiKey | None:
        return await self._api_keys.get(public_id, trusted_since=self._trusted_since())

    async def admin_key(self, public_id: str) -> AdminKey | None:
        return await self._admin_keys.get(public_id, trusted_since=self._trusted_since())

    async def account_by_token(self, token: str) -> ProviderAccount | None:
        return await self._accounts.get(token, trusted_since=self._trusted_since())

    def remembers_key(self, public_id: str) -> bool:
        return self._api_keys.remembers(public_id) or self._admin_keys.remembers(public_id)

    async def watch(self) -> None:
        """Runs until cancelled; each process that keeps snapshots runs one. Survives Postgres being away."""
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
        """This process has committed a change: what is asked from now on shows it.

        The commit stands also if the look fails; then the watcher's next one tells, as it tells other processes.
        """
        try:
            await self.look()
        except StoreUnavailable as error:
            log.warning("snapshots.not_looked", extra={"problem": str(error), "store": "postgres"})
        for memory in (self._tenants, self._api_keys, self._admin_keys, self._accounts):
            memory.forget_absent()

    async def look(self) -> None:
        """Forget what has changed since the last look, in whichever process. Raises StoreUnavailable."""
        began = monotonic()
        async with transaction(self._engine) as opened:
            rows = await opened.driver.fetch(CHANGED, self._looked_at)
        for row in rows:
            if row["tenant_id"] is not None:
                for memory in (self._tenants, self._api_keys, self._admin_keys, self._accounts):
                    memory.forget(TenantId(row["tenant_id"]), row["version"])
        self._looked_at = rows[0]["looked_at"]
        self._last_look = began

    def _trusted_since(self) -> float:
        """While looks succeed, everything still remembered is current, however old."""
        now = monotonic()
        return float("-inf") if now - self._last_look < _TRUST_SECONDS else now - _TRUST_SECONDS

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

    async def _read_account(self, token: str) -> _Known[ProviderAccount]:
        read_at = monotonic()
        async with transaction(self._engine) as opened:
            account, version = await snapshot_rows.account_by_token(opened.core, token)
        return _Known(account, account.tenant_id if account else None, version, read_at)
