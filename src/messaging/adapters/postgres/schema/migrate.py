"""Reads the migration that a database is at, and applies the missing ones with Alembic."""

import asyncio
import threading
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from msgspec import Struct

from messaging.adapters.postgres.schema.revisions import scripts
from messaging.adapters.postgres.session.engine import APP_ROLE, SYSTEM_ROLE
from messaging.adapters.postgres.session.transactions import Driver
from messaging.adapters.postgres.session.urls import driver_url, sqlalchemy_url

# Alembic keeps its context in module globals, so only one thread of a process may use it at a time.
_one_at_a_time: Final = threading.Lock()


class Logins(Struct, frozen=True, kw_only=True):
    """The database logins of the processes, by their work; in development both may be the same login."""

    tenants: str
    system: str


def upgrade(url: str, *, to: str = "head", logins: Logins | None = None) -> None:
    """Apply the missing migrations, as the owner of the tables. Blocks; must not be called from a running event loop.

    Each of `logins` that is not the owner itself is made a member of the role of its work, and removed from the other
    role. Concurrent calls run one after another; all migrations of a call are one transaction. Constraints that it left
    unvalidated are validated after it, each under a lock that lets writers go on.
    """
    with _one_at_a_time:
        command.upgrade(_config(url), to)
    asyncio.run(_validate_checks(url))
    if logins is not None:
        asyncio.run(_let_assume_roles(url, logins))


def current(url: str) -> str | None:
    """The migration that a database is at; None for one without our tables. Blocks, as `upgrade` does."""
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


# References are not among them: those that were declared week by week have been kept since their rows were inserted.
_UNVALIDATED: Final = """
SELECT format('ALTER TABLE %s VALIDATE CONSTRAINT %I', conrelid::regclass, conname)
FROM pg_constraint WHERE contype = 'c' AND NOT convalidated AND connamespace = 'public'::regnamespace
"""


async def _validate_checks(url: str) -> None:
    connection = await asyncpg.connect(**driver_url(url))
    try:
        await connection.execute("SET lock_timeout = '4s'")
        for row in await connection.fetch(_UNVALIDATED):
            await connection.execute(row[0])
    finally:
        await connection.close()


# Memberships are read first, and only missing ones are granted: granting again what a superuser has granted needs
# rights that the owner may not have.
_MEMBERSHIPS: Final = """
SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid JOIN pg_roles l ON l.oid = m.member
WHERE l.rolname = $1
"""


async def _let_assume_roles(url: str, logins: Logins) -> None:
    wanted: dict[str, set[str]] = {logins.tenants: set(), logins.system: set()}
    wanted[logins.tenants].add(APP_ROLE)
    wanted[logins.system].add(SYSTEM_ROLE)
    connection = await asyncpg.connect(**driver_url(url))
    try:
        owner = await connection.fetchval("SELECT session_user::text")
        for login, roles in wanted.items():
            if login not in ("", owner):
                await _make_member(connection, login, roles)
    finally:
        await connection.close()


async def _make_member(connection: Driver, login: str, roles: set[str]) -> None:
    """Make `login` a member of `roles` and not of our other role. Grants by others stay; `app doctor` reports them."""
    quoted = await connection.fetchval("SELECT quote_ident($1)", login)
    present = {row[0] for row in await connection.fetch(_MEMBERSHIPS, login)}
    for role in sorted(roles - present):
        await connection.execute(f"GRANT {role} TO {quoted}")
    for role in sorted(({APP_ROLE, SYSTEM_ROLE} - roles) & present):
        await connection.execute(f"REVOKE {role} FROM {quoted}")


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    config.attributes["url"] = sqlalchemy_url(url) if url else None
    return config
