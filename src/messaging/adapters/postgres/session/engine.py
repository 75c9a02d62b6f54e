"""The connections a process holds: pools for the tenants' role and for the platform's, each with a login of its own."""

from typing import Final

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from messaging.adapters.postgres.session.urls import sqlalchemy_url

APP_ROLE: Final = "messaging_app"
SYSTEM_ROLE: Final = "messaging_system"

# A statement that takes longer than this is better refused than waited for; times in milliseconds.
_SESSION: Final = {
    "statement_timeout": "5000",
    "lock_timeout": "4000",
    "idle_in_transaction_session_timeout": "15000",
    # A process frozen between the messages of one statement is neither idle nor in a statement that could time out:
    # without this its locks would stay for as long as it is frozen. Known to PostgreSQL 17 and later.
    "transaction_timeout": "15000",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "jit": "off",
    # Every statement of ours has its index. A plan made while next week's partition was empty, and kept, would read the
    # whole of it for every row once it fills, until the next ANALYZE.
    "enable_seqscan": "off",
    "timezone": "UTC",
    # One commit, one promise: whatever the server's default, ours are on disk before we say so.
    "synchronous_commit": "on",
}
# A tenant's transaction sets the mode it is in; one that did not would see nothing.
_TENANTS: Final = {"app.mode": "none"}
# The platform's statements are few, set-based, and always the same. Planned anew for every batch over all the weeks'
# partitions, as PostgreSQL would by itself, they cost more to plan than to run; planned once, they still skip the other
# weeks when they run. Such a plan outlives the table sizes it was made for, so it may only be made of index lookups,
# key by key: a hash over a small table becomes a scan of a big one.
_PLATFORM_PLANS: Final = {
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_memoize": "off",
}
# How long a request waits for another one with the same key before it is told "in flight". And plans are made once:
# with the arrays of a batch before its eyes, the planner takes twice as long as the insertion itself (measured: 3.5 ms
# instead of 7 to 10 for 100 messages).
_ACCEPTING: Final = {"lock_timeout": "2000", "plan_cache_mode": "force_generic_plan"}
_CONNECT_SECONDS: Final = 5.0
# Longer than every server-side limit above: only a connection that has died silently gets here.
_COMMAND_SECONDS: Final = 10.0


class Engines(Struct, frozen=True, kw_only=True):
    """`app` sees the tenant set for the transaction; `system` works across tenants within its grants.

    `accepting` is `app` for the one statement by which messages are accepted.
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
    """Connects to nothing yet. `pool_size` bounds each of the pools; callers beyond it wait `pool_wait` seconds.

    `url` is the login for the work of one tenant, `system_url` the one across tenants; without it `url` serves both.
    """
    return Engines(
        app=_engine(url, APP_ROLE, pool_size, pool_wait, _SESSION | _TENANTS),
        accepting=_engine(url, APP_ROLE, pool_size, pool_wait, _SESSION | _TENANTS | _ACCEPTING),
        system=_engine(system_url or url, SYSTEM_ROLE, pool_size, pool_wait, _SESSION | _PLATFORM_PLANS),
    )


def _engine(url: str, role: str, pool_size: int, pool_wait: float, session: dict[str, str]) -> AsyncEngine:
    return create_async_engine(
        sqlalchemy_url(url),
        # Transactions are begun, committed and rolled back in `transactions.py`, in one place for Core and asyncpg.
        isolation_level="AUTOCOMMIT",
        pool_reset_on_return=None,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=pool_wait,
        pool_use_lifo=True,
        # Parameters hold addresses, keys' digests and webhook tokens, and errors end up in logs.
        hide_parameters=True,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": _COMMAND_SECONDS,
            "server_settings": {**session, "role": role, "application_name": role},
        },
    )
