"""The schema's revisions, for the command line; the adapter itself may only be imported here."""

from urllib.parse import unquote, urlsplit

import asyncpg

from messaging.adapters.postgres import migrate, revisions
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.entrypoints.settings import MigrationSettings


def head() -> str:
    """The newest revision this code knows."""
    return revisions.head()


def current(settings: MigrationSettings) -> str | None:
    """The revision a database is at; None for an empty one. Blocks. Raises StoreUnavailable."""
    try:
        return migrate.current(settings.owner_url.value)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailable(f"{settings.owner_url.shown}: {error}") from error


def upgrade(settings: MigrationSettings) -> None:
    """Apply what is missing, as the owner; the application's own login is let into our roles. Blocks."""
    login = None
    if settings.database_owner_url is not None:
        login = unquote(urlsplit(settings.database_url.value).username or "") or None
    migrate.upgrade(settings.owner_url.value, login=login)
