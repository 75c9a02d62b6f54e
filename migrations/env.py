"""How does a migration reach the database? Over asyncpg, one at a time, and without queueing behind busy tables."""

import asyncio

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# Any constant of our own: two `app migrate` at once take turns.
_ADVISORY_LOCK = 0x6D657373616765


def _migrate(connection: Connection) -> None:
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
    # A migration that waits for a lock makes everybody behind it wait too; rather fail and be run again.
    connection.exec_driver_sql("SET LOCAL lock_timeout = '4s'")
    context.configure(connection=connection, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    # NullPool and a fresh loop: this is a one-off, often called from a thread beside a running application.
    engine = create_async_engine(context.config.attributes["url"], poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


asyncio.run(_run())
