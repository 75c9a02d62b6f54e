"""Opens, commits and rolls back transactions, and turns the driver's errors of an absent database into one."""

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

# What the server says when it cannot serve now: connection, resources, operator, lock or time limits, deadlock victim.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_UNAVAILABLE_CLASSES: Final = ("08", "53", "57", "58")
# 25006 is a server that only reads: a replica, or one whose operator has said so.
_UNAVAILABLE_CODES: Final = ("25006", "25P03", "25P04", "40001", "40P01", "55P03")
# The last is what is left of a connection that the server ended while it was ours.
_DRIVER_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
LOCK_NOT_AVAILABLE: Final = "55P03"

# Quoted: asyncpg is generic in its stubs only.
Driver: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Transaction:
    """One open transaction; `driver` (asyncpg) is for set-based statements."""

    def __init__(self, engine: AsyncEngine, pooled: PoolProxiedConnection, driver: Driver) -> None:
        self.driver = driver
        self._engine = engine
        self._pooled = pooled
        self._over = False

    @cached_property
    def core(self) -> AsyncConnection:
        """SQLAlchemy Core on the same connection, made when it is asked for: few do, and it takes 60 us."""
        return AsyncConnection(self._engine, Connection(self._engine.sync_engine, self._pooled))

    async def commit(self, *, durable: bool = True) -> None:
        """Durable when it returns. Afterwards the transaction can do nothing more.

        With `durable=False` a crash of the server within the next second may undo it, and everything after it.
        """
        if self._over:
            raise RuntimeError("this transaction is over")
        self._over = True
        answer = await self.driver.execute("COMMIT" if durable else "SET LOCAL synchronous_commit = off; COMMIT")
        if answer != "COMMIT":
            # A statement had failed and its error was swallowed: Postgres then rolls back, and only the tag says so.
            raise RuntimeError(f"the transaction was not committed: {answer}")

    async def end(self) -> None:
        """Roll back whatever has not been committed."""
        if not self._over or self.driver.is_in_transaction():
            self._over = True
            await self.driver.execute("ROLLBACK")


@asynccontextmanager
async def transaction(
    engine: AsyncEngine, *, scope: TenantScope | None = None, settings: str | None = None
) -> AsyncIterator[Transaction]:
    """Rolls back unless committed. With `scope`, row-level security shows that tenant's rows of that mode only.

    `settings` is a constant `SET LOCAL …` of the caller's, sent along with the BEGIN.

    Raises StoreUnavailable when the database cannot be reached, refuses, or takes too long.
    """
    async with _connected(engine) as (pooled, driver):
        await driver.execute(_begin(scope, settings))
        opened = Transaction(engine, pooled, driver)
        yield opened
        await opened.end()


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[Driver]:
    """Every statement is a transaction of its own, durable when it returns: one round trip where three would do.

    Raises StoreUnavailable like `transaction`; then it is not known whether the statement was committed.
    """
    async with _connected(engine) as (_, driver):
        yield driver


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[tuple[PoolProxiedConnection, Driver]]:
    """A pooled connection, which goes back with nothing open on it, or not at all."""
    with unavailable():
        pooled = await _live(engine)
        driver = _driver_of(pooled)
        try:
            yield pooled, driver
        except Exception:
            if not await _rolled_back(driver):
                await _discard(pooled)
            raise
        except BaseException:
            # Cancelled: a query may still be under way. The server rolls back when the connection is gone.
            await _discard(pooled)
            raise
        finally:
            pooled.close()


async def _live(engine: AsyncEngine) -> PoolProxiedConnection:
    """From the pool; ones the server has closed meanwhile are replaced without a round trip."""
    while True:
        try:
            pooled = await engine.raw_connection()
        except AsyncAdapt_asyncpg_dbapi.Error as error:
            # Only Core would make a DBAPIError of it.
            raise (error.__cause__ or error) from None
        if not _driver_of(pooled).is_closed():
            return pooled
        await _discard(pooled)
        pooled.close()


async def _discard(pooled: PoolProxiedConnection) -> None:
    # Core discards by itself what it finds broken.
    if pooled.is_valid:
        # In SQLAlchemy's greenlet, where it may take leave of the server, which then stops what it is doing for us.
        await greenlet_spawn(pooled.invalidate)


def _driver_of(pooled: PoolProxiedConnection) -> Driver:
    return cast(Driver, pooled.driver_connection)


def _begin(scope: TenantScope | None, settings: str | None) -> str:
    """One round trip for everything a transaction starts with."""
    parts = ["BEGIN"]
    if scope is not None:
        parts.append(_set_scope(scope))
    if settings is not None:
        parts.append(settings)
    return "; ".join(parts)


def _set_scope(scope: TenantScope) -> str:
    # A UUID's text is hexadecimal digits and dashes, and a mode is one of three words: they can be written into the
    # statement as they are.
    tenant_id, mode = UUID(bytes=scope.tenant_id.bytes), scope.mode.value
    return f"SET LOCAL app.tenant_id = '{tenant_id}'; SET LOCAL app.mode = '{mode}'"


async def _rolled_back(driver: Driver) -> bool:
    """Whether nothing is open on it any more; if not, it is of no use to anybody."""
    if driver.is_closed():
        return False
    try:
        if driver.is_in_transaction():
            await driver.execute("ROLLBACK")
    except (OSError, TimeoutError, *_DRIVER_ERRORS):
        # The error that brought us here is the one to report.
        return False
    return True


@contextmanager
def unavailable() -> Iterator[None]:
    """Translate "the database is not there for us now", in any of the drivers' words, into StoreUnavailable."""
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
        # asyncpg uses this class for closed connections and for misuse alike; only the former is an outage.
        return "closed" in str(cause)
    return isinstance(cause, OSError | TimeoutError | asyncpg.InternalClientError)


def driver_error(error: BaseException) -> BaseException:
    """What asyncpg itself raised, below SQLAlchemy's wrapping."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error
