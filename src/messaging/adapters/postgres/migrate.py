"""Which schema does a database have, and how does it get the newest one?"""

import asyncio
import threading
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config

from messaging.adapters.postgres.revisions import scripts
from messaging.adapters.postgres.urls import driver_url, sqlalchemy_url

# Alembic keeps its context in module globals: within a process, threads have to take turns.
_one_at_a_time: Final = threading.Lock()


def upgrade(url: str, *, to: str = "head", login: str | None = None) -> None:
    """Apply what is missing, as the owner of the tables. Blocks; must not be called from a running event loop.

    `login` names the database user the processes will connect as, if it is not the owner: it is allowed to assume the
    two roles. Several calls at once take turns; each migration is one transaction with the others of its run.
    """
    with _one_at_a_time:
        command.upgrade(_config(url), to)
    if login is not None:
        asyncio.run(_let_assume_roles(url, login))


def current(url: str) -> str | None:
    """The migration a database is at; None for one without our tables. Blocks, as `upgrade` does."""
    return asyncio.run(_current(url))


async def _current(url: str) -> str | None:
    connection = await asyncpg.connect(**driver_url(url))
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
            return None
        version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return version
    finally:
        await connection.close()


async def _let_assume_roles(url: str, login: str) -> None:
    connection = await asyncpg.connect(**driver_url(url))
    try:
        quoted = await connection.fetchval("SELECT quote_ident($1)", login)
        await connection.execute(f"GRANT messaging_app, messaging_system TO {quoted}")
    finally:
        await connection.close()


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["url"] = sqlalchemy_url(url) if url else None
    return config
