"""The schema's revisions, for the command line; the adapter itself may only be imported here."""

from urllib.parse import unquote, urlsplit

import asyncpg

from messaging.adapters.postgres.schema import migrate, revisions
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.entrypoints.settings.settings import MigrationSettings


def head() -> str:
    """The newest revision that this version of the code knows."""
    return revisions.head()


def current(settings: MigrationSettings) -> str | None:
    """The revision that a database is at; None for an empty one. Blocks the thread. Raises StoreUnavailable."""
    try:
        return migrate.current(settings.owner_url.value)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailable(f"{settings.owner_url.shown}: {error}") from error


def upgrade(settings: MigrationSettings) -> None:
    """Applies the missing revisions as the tables' owner, and lets the two other logins into one role each. Blocks the
    thread.
    """
    tenants, system = settings.database_url, settings.database_system_url or settings.database_url
    migrate.upgrade(
        settings.owner_url.value, logins=migrate.Logins(tenants=_user(tenants.value), system=_user(system.value))
    )


def _user(url: str) -> str:
    return unquote(urlsplit(url).username or "")
