"""Finds the rights that this process's database logins have beyond the one role that each of them was made for."""

import asyncio
from collections.abc import Sequence
from typing import Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from messaging.adapters.postgres.session.engine import APP_ROLE, SYSTEM_ROLE, Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.ports.health import LoginRights

# `session_user` is the login, whatever role the connection has taken since. A superuser counts as a member of every
# role, so its memberships are not listed. Objects of another role are reached through membership only.
_RIGHTS: Final = """
SELECT l.rolname AS login, l.rolsuper, l.rolbypassrls, l.rolcreaterole, l.rolcreatedb, l.rolreplication,
       EXISTS (SELECT FROM pg_database d WHERE d.datname = current_database() AND d.datdba = l.oid) AS owns_database,
       EXISTS (SELECT FROM pg_class c
               WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = l.oid) AS owns_tables,
       ARRAY(SELECT r.rolname::text FROM pg_roles r
             WHERE NOT l.rolsuper AND r.rolname NOT IN (l.rolname, $1, 'pg_database_owner')
               AND pg_has_role(l.oid, r.oid, 'MEMBER') ORDER BY r.rolname) AS member_of
FROM pg_roles l WHERE l.rolname = session_user
"""
# Errors of a refused connection: the role does not exist yet, or the login is not a member of it.
_LOCKED_OUT: Final = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidParameterValueError)
_WORDS: Final = {
    "rolsuper": "is a superuser",
    "rolbypassrls": "has BYPASSRLS",
    "rolcreaterole": "has CREATEROLE",
    "rolcreatedb": "has CREATEDB",
    "rolreplication": "has REPLICATION",
    "owns_database": "owns the database",
    "owns_tables": "owns tables",
}


class PostgresLogins:
    """Reads the rights over the process's own pools, so that they are those of the connections that do the work."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    async def rights(self) -> Sequence[LoginRights]:
        app, system = self._engines.app, self._engines.system
        return await asyncio.gather(_rights(app, APP_ROLE), _rights(system, SYSTEM_ROLE))


async def _rights(engine: AsyncEngine, role: str) -> LoginRights:
    try:
        async with transaction(engine) as opened:
            row = await opened.driver.fetchrow(_RIGHTS, role)
    except _LOCKED_OUT:
        return LoginRights(login=engine.url.username or "", role=role, assumes=False)
    assert row is not None, "whoever is connected has a row in pg_roles"
    return LoginRights(login=row["login"], role=role, excess=tuple(_excess(row)))


def _excess(row: asyncpg.Record) -> list[str]:
    told = [words for column, words in _WORDS.items() if row[column]]
    return told + [f"is a member of {role}" for role in row["member_of"]]
