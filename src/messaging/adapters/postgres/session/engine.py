"""The connection pools of a process: for work within one tenant and for work across tenants, each with its login."""

from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from messaging.adapters.postgres.session.urls import sqlalchemy_url

APP_ROLE: Final = "messaging_app"
SYSTEM_ROLE: Final = "messaging_system"

# Settings of every connection; times are in milliseconds. A statement that exceeds them fails with StoreUnavailable.
_SESSION: Final = {
    "statement_timeout": "5000",
    "lock_timeout": "4000",
    "idle_in_transaction_session_timeout": "15000",
    # A client process that freezes between the protocol messages of one statement is neither idle nor in a statement
    # that could time out. Without this limit its locks would last as long as it is frozen. PostgreSQL 17 and later.
    "transaction_timeout": "15000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "jit": "off",
    # Every statement of ours has an index to use. Without this setting, a plan made and kept while next week's
    # partition was empty would scan the whole partition for every row once it fills, until the next ANALYZE.
    "enable_seqscan": "off",
    "timezone": "UTC",
    # A commit is acknowledged only when it is on disk, whatever the server's default.
    "synchronous_commit": "on",
}
# Each transaction of a tenant sets its mode (test or live); with the mode `none`, a transaction that did not sees no
# rows.
_TENANTS: Final = {"app.mode": "none"}
# The platform's statements are few, set-based, and always the same. By default PostgreSQL would plan them again for
# every batch over all weekly partitions, which takes longer than running them; a generic plan, made once, still skips
# the other weeks' partitions at run time. A generic plan stays in use while tables grow, so it may consist of index
# lookups by key only: a hash join planned over a small table would become a scan of a big one.
_PLATFORM_PLANS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_memoize": "off",
}
# `lock_timeout`: how long (ms) a request waits for another one with the same idempotency key before it is answered
# "in flight". `plan_cache_mode`: planning with the values of a batch takes twice as long as the insertion itself
# (measured for 100 messages: 3.5 ms in all with a generic plan, 7 to 10 ms without).
_ACCEPTING: Final = {"lock_timeout": "2000", "plan_cache_mode": "force_generic_plan"}
_CONNECT_SECONDS: Final = 5.0
# Seconds; longer than every server-side limit above, so that only a silently dead connection reaches this limit.
_COMMAND_SECONDS: Final = 10.0


class Engines(Struct, frozen=True, kw_only=True):
    """The pools of a process, by the work their connections do.

    `app` sees the rows of the tenant that a transaction sets; `system` works across tenants within its grants.
    `accepting` has the rights of `app`, and is used only for the one statement that stores accepted messages.
    """

    app: AsyncEngine
    accepting: AsyncEngine
    system: AsyncEngine

    async def dispose(self) -> None:
        await self.app.dispose()
        await self.accepting.dispose()
        await self.system.dispose()


def create_engines(
    url: str, *, system_url: str | None = None, pool_size: int = 8, pool_wait: float = _CONNECT_SECONDS
) -> Engines:
    """Make the pools, each of at most `pool_size` connections; a caller waits up to `pool_wait` seconds for one.

    No connection is opened yet. `url` holds the login for work within one tenant, `system_url` the login for work
    across tenants; without `system_url`, `url` serves both.
    """
    return Engines(
        app=_engine(url, APP_ROLE, pool_size, pool_wait, _SESSION | _TENANTS),
        accepting=_engine(url, APP_ROLE, pool_size, pool_wait, _SESSION | _TENANTS | _ACCEPTING),
        system=_engine(system_url or url, SYSTEM_ROLE, pool_size, pool_wait, _SESSION | _PLATFORM_PLANS),
    )


def _engine(url: str, role: str, pool_size: int, pool_wait: float, session: dict[str, str]) -> AsyncEngine:
    return create_async_engine(
        sqlalchemy_url(url),
        # `transactions.py` begins, commits and rolls back all transactions, those of Core and of asyncpg alike.
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_wait,
        pool_use_lifo=True,
        # Errors are logged, and parameters hold addresses, digests of keys and webhook tokens.
        hide_parameters=True,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": _COMMAND_SECONDS,
            "server_settings": {**session, "role": role, "application_name": role},
        },
    )
