"""Adds to the evidence of a storm what receivers of callbacks logged, and what the platform believes it told them."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg

from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.entrypoints.lab.chaos.storm.listening.audience import Listener

TABLES: Final = """
CREATE TABLE receivers (receiver TEXT PRIMARY KEY, endpoint TEXT, tenant TEXT, sender TEXT);
CREATE TABLE requests (receiver TEXT, event TEXT, attempt INT, type TEXT, key TEXT, sequence INT, digest TEXT,
                       signed INT, began REAL, ended REAL, status INT);
CREATE TABLE of_senders (message TEXT PRIMARY KEY, tenant TEXT, sender TEXT, state TEXT);
CREATE TABLE told (event TEXT, message TEXT, sequence INT, type TEXT, tenant TEXT);
CREATE TABLE ends (endpoint TEXT, event TEXT, state TEXT);
CREATE TABLE tries (endpoint TEXT, event TEXT, n INT, started REAL);
CREATE TABLE untold (what TEXT, count INT);
"""
INDEXES: Final = """
CREATE INDEX requests_event ON requests (receiver, event);
CREATE INDEX requests_key ON requests (receiver, key, began);
CREATE INDEX ends_event ON ends (endpoint, event);
CREATE INDEX tries_event ON tries (endpoint, event, n);
CREATE INDEX told_message ON told (message);
"""
_QUERIES: Final = {
    "of_senders": "SELECT id::text, tenant_id::text, sender_id::text, state FROM messages",
    "told": """
SELECT id::text, subject_id::text, sequence, type, tenant_id::text FROM callback_events WHERE subject_kind = 'message'
""",
    "ends": "SELECT endpoint_id::text, event_id::text, state FROM callback_ends",
    "tries": """
SELECT endpoint_id::text, event_id::text, n, extract(epoch FROM started_at)::float8 FROM callback_attempts
""",
    "untold": """
SELECT 'events not fanned out', count(*) FROM pending_events
UNION ALL SELECT 'callbacks not ended', count(*) FROM callback_queue
UNION ALL SELECT 'endpoints not enabled', count(*) FROM callback_endpoints WHERE status <> 'enabled'
""",
}


async def add_callbacks(
    database: sqlite3.Connection,
    listeners: Sequence[Listener],
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """Adds the receivers' logs and one snapshot of the platform's tables of callbacks."""
    database.executescript(TABLES)
    _insert(database, "receivers", ((it.receiver.name, *_known(it)) for it in listeners))
    _insert(
        database,
        "requests",
        (
            (
                it.receiver,
                _uuid(Prefix.EVENT, it.id),
                it.attempt,
                it.type,
                _uuid(Prefix.MESSAGE, it.key),
                it.sequence,
                it.digest,
                it.signed,
                it.began,
                it.ended,
                it.status,
            )
            for listener in listeners
            for it in listener.receiver.requests
        ),
    )
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for table, query in _QUERIES.items():
            _insert(database, table, map(tuple, await connection.fetch(query)))
    database.executescript(INDEXES)


_TOLD: Final = """
SELECT (SELECT count(*) FROM receivers), (SELECT count(*) FROM ends), (SELECT count(*) FROM requests),
       (SELECT count(*) FROM requests WHERE status BETWEEN 200 AND 299)
"""


def told(database: sqlite3.Connection) -> dict[str, int]:
    """How many receivers there were, events that came to an end at one, requests, and those that were taken."""
    return dict(zip(("receivers", "events", "requests", "taken"), database.execute(_TOLD).fetchone(), strict=True))


def _known(listener: Listener) -> tuple[str, str, str]:
    return (
        _uuid(Prefix.CALLBACK_ENDPOINT, listener.endpoint),
        _uuid(Prefix.TENANT, listener.tenant),
        _uuid(Prefix.SENDER, listener.sender),
    )


def _uuid(prefix: Prefix, id: str) -> str:
    found = parse_typeid(prefix, id)
    return id if found is None else str(found)


def _insert(database: sqlite3.Connection, table: str, rows: Iterable[Sequence[Any]]) -> None:
    listed = list(rows)
    if listed:
        with database:
            database.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(listed[0]))})", listed)
