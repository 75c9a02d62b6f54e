"""The three database logins of an embedded server, as an installation of one's own has them."""

import secrets
from typing import Final

import asyncpg
from msgspec import Struct

from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres

OWNER: Final = "messaging"
_TENANTS: Final = "messaging_app_login"
_SYSTEM: Final = "messaging_system_login"
_NOTHING_ELSE: Final = "LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEROLE NOCREATEDB NOREPLICATION"
# The owner does not create roles that exist, and may let logins into them.
_ROLES: Final = f"""
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY '{{messaging_app,messaging_system,{OWNER},{_TENANTS},{_SYSTEM}}}'::text[] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
    END LOOP;
    -- Before it is let in: a member inherits or not as it was at that moment.
    ALTER ROLE {_TENANTS} NOINHERIT;
    ALTER ROLE {_SYSTEM} NOINHERIT;
    GRANT messaging_app, messaging_system TO {OWNER} WITH ADMIN OPTION;
    GRANT messaging_app TO {_TENANTS};
    GRANT messaging_system TO {_SYSTEM};
END
$$
"""


class Login(Struct, frozen=True):
    """A name and a password that is new with every start."""

    user: str
    password: str


class Logins(Struct, frozen=True, kw_only=True):
    """The three logins: the tables' owner, the one for the work of one tenant, the one for work across tenants."""

    owner: Login
    tenants: Login
    system: Login


async def make_logins(server: EmbeddedPostgres) -> Logins:
    """Makes the logins; where they exist their passwords are replaced."""
    owner, tenants, system = (Login(user, secrets.token_hex(16)) for user in (OWNER, _TENANTS, _SYSTEM))
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(_ROLES)
        for login in (owner, tenants, system):
            await connection.execute(f"ALTER ROLE {login.user} {_NOTHING_ELSE} PASSWORD '{login.password}'")
    finally:
        await connection.close()
    return Logins(owner=owner, tenants=tenants, system=system)


async def make_database(server: EmbeddedPostgres, name: str) -> None:
    """Makes a database that the owner owns, unless it exists."""
    connection = await asyncpg.connect(server.url())
    try:
        if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", name):
            await connection.execute(f"CREATE DATABASE {name} OWNER {OWNER}")
    finally:
        await connection.close()
