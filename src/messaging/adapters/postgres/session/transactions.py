"""Opens, commits and rolls back transactions, and raises StoreUnavailable when the database cannot serve them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from typing import Final, TypeAlias, cast
from uuid import UUID

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.util import greenlet_spawn

from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.mode import TenantScope

# SQLSTATEs of a server that cannot serve now: connection, resources, operator, lock or time limits, deadlock victim.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57", "58")
# 25006 comes from a read-only server: a replica, or one that its operator has set to read-only.
_UNAVAILABLE_CODES: Final = ("25006", "25P03", "25P04", "40001", "40P01", "55P03")
# InternalClientError is raised on a connection that the server ended while it was checked out of the pool.
_DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
LOCK_NOT_AVAILABLE: Final = "55P03"

# The type is quoted because asyncpg's classes are generic in its stubs only.
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Transaction:
    """One open transaction: `driver` (asyncpg) for set-based statements, `core` (SQLAlchemy) for all others."""

    def __init__(self, engine: AsyncEngine, pooled: PoolProxiedConnection, driver: Driver) -> None:
        self.driver = driver
        self._engine = engine
        self._pooled = pooled
        self._over = False

    @cached_property
    def core(self) -> AsyncConnection:
        """SQLAlchemy Core on the same connection, built on first use: it takes 60 us, and few transactions need it."""
        return AsyncConnection(self._engine, Connection(self._engine.sync_engine, self._pooled))

    async def commit(self, *, durable: bool = True) -> None:
        """Commit; the changes are on disk when this returns, and the transaction can do nothing more.

        With `durable=False` the changes are on disk within about a second. A crash of the server before then loses
        them, and with them all later commits that are not durable.
        """
        if self._over:
            raise RuntimeError("this transaction was committed or rolled back before")
        self._over = True
        answer = await self.driver.execute("COMMIT" if durable else "SET LOCAL synchronous_commit = off; COMMIT")
        if answer != "COMMIT":
            # After a failed statement whose error was swallowed, Postgres answers COMMIT with a rollback. Only the
            # command tag tells.
            raise RuntimeError(f"the transaction was not committed: {answer}")

    async def end(self) -> None:
        """Roll back unless the transaction was committed."""
        if not self._over or self.driver.is_in_transaction():
            self._over = True
            await self.driver.execute("ROLLBACK")


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, *, scope: TenantScope | None = None, settings: str | None = None
) -> AsyncIterator[Transaction]:
    """A transaction for the length of a block, rolled back unless the block commits it.

    With `scope`, row-level security shows only that tenant's rows of that mode. `settings` is a constant `SET LOCAL …`
    of the caller, sent together with the BEGIN.

    Raises StoreUnavailable when the database cannot be reached, refuses, or takes too long.
    """
    async with _connected(engine) as (pooled, driver):
        await driver.execute(_begin(scope, settings))
        opened = Transaction(engine, pooled, driver)
        yield opened
        await opened.end()


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[Driver]:
    """A connection on which every statement is a transaction of its own: one round trip instead of three.

    A statement's changes are on disk when it returns. Raises StoreUnavailable like `transaction`; it is then not known
    whether the statement was committed.
    """
    async with _connected(engine) as (_, driver):
        yield driver


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[tuple[PoolProxiedConnection, Driver]]:
    """A pooled connection. It returns to the pool with no transaction open on it, or is discarded."""
    with unavailable():
        pooled, driver = await _live(engine)
        try:
            yield pooled, driver
        except Exception:
            if not await _rolled_back(driver):
                await _discard(pooled)
            raise
        except BaseException:
            # The caller was cancelled, and a query may still be running. The server rolls back when the connection
            # ends.
            await _discard(pooled)
            raise
        finally:
            pooled.close()


async def _live(engine: AsyncEngine) -> tuple[PoolProxiedConnection, Driver]:
    """A connection from the pool. One that the server has closed is replaced, without a round trip to test it."""
    while True:
        try:
            pooled = await engine.raw_connection()
        except AsyncAdapt_asyncpg_dbapi.Error as error:
            # SQLAlchemy wraps the driver's error; only its Core would turn the wrapper into a DBAPIError.
            raise (error.__cause__ or error) from None
        driver = cast(Driver, pooled.driver_connection)
        if not driver.is_closed():
            return pooled, driver
        await _discard(pooled)
        pooled.close()


async def _discard(pooled: PoolProxiedConnection) -> None:
    # A connection that Core found broken is discarded already.
    if pooled.is_valid:
        # In SQLAlchemy's greenlet, the driver may tell the server goodbye; the server then stops the running query.
        await greenlet_spawn(pooled.invalidate)


def _begin(scope: TenantScope | None, settings: str | None) -> str:
    """The statements that a transaction starts with, joined so that they take one round trip."""
    parts = ["BEGIN"]
    if scope is not None:
        parts.append(_set_scope(scope))
    if settings is not None:
        parts.append(settings)
    return "; ".join(parts)


def _set_scope(scope: TenantScope) -> str:
    # The values are written into the statement without quoting: a UUID's text consists of hexadecimal digits and
    # dashes, and a mode is one of three words.
    tenant_id, mode = UUID(bytes=scope.tenant_id.bytes), scope.mode.value
    return f"SET LOCAL app.tenant_id = '{tenant_id}'; SET LOCAL app.mode = '{mode}'"


async def _rolled_back(driver: Driver) -> bool:
    """Roll back if a transaction is open; False if that failed, and the connection must be discarded."""
    if driver.is_closed():
        return False
    try:
        if driver.is_in_transaction():
            await driver.execute("ROLLBACK")
    except (OSError, TimeoutError, *_DRIVER_ERRORS):
        # The caller reports the error that made it roll back, not this one.
        return False
    return True


@contextmanager
def unavailable() -> Iterator[None]:
    """Raise StoreUnavailable for errors of any driver that mean: the database cannot be reached, or cannot serve."""
    try:
        yield
    except (OSError, TimeoutError, PoolTimeout) as error:
        raise StoreUnavailable(type(error).__name__) from error
    except (*_DRIVER_ERRORS, DBAPIError) as error:
        if is_unavailable(error):
            raise StoreUnavailable(type(error).__name__) from error
        raise


def is_unavailable(error: Exception) -> bool:
    cause = driver_error(error)
    if isinstance(cause, asyncpg.PostgresError):
        code = cause.sqlstate or ""
        return code.startswith(_UNAVAILABLE_CLASSES) or code in _UNAVAILABLE_CODES
    if isinstance(cause, asyncpg.InterfaceError):
        # asyncpg raises this class for closed connections and for misuse alike; only a closed connection is an outage.
        return "closed" in str(cause)
    return isinstance(cause, OSError | TimeoutError | asyncpg.InternalClientError)


def driver_error(error: BaseException) -> BaseException:
    """The asyncpg error inside SQLAlchemy's wrappers."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
