"""Converts the operator's database URL to the spellings that SQLAlchemy and asyncpg expect."""

from typing import Any

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

# libpq's parameter sslmode is called ssl by asyncpg; its values are the same.
_RENAMED = {"sslmode": "ssl"}


def sqlalchemy_url(url: str) -> URL:
    """Accepts postgres://, postgresql:// and postgresql+asyncpg://; `?host=/directory` means a Unix socket.

    Raises sqlalchemy.exc.ArgumentError for anything that is not a PostgreSQL URL.
    """
    parsed = make_url(url)
    if parsed.drivername not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise ArgumentError(f"not a PostgreSQL URL: {parsed.drivername}://…")
    query = {_RENAMED.get(name, name): value for name, value in parsed.query.items()}
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def driver_url(url: str) -> dict[str, Any]:
    """The same address as keyword arguments of `asyncpg.connect`."""
    parsed = sqlalchemy_url(url)
    query = dict(parsed.query)
    arguments: dict[str, Any] = {
        "host": query.pop("host", parsed.host),
        "port": int(str(query.pop("port", parsed.port or 5432))),
        "user": parsed.username,
        "password": parsed.password,
        "database": parsed.database,
        **query,
    }
    return {name: value for name, value in arguments.items() if value is not None}
