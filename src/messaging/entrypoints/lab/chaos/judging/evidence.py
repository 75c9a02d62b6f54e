"""Brings together in one SQLite database what clients, provider and database know after a storm."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import msgspec
from msgspec.structs import astuple

from messaging.domain.messages.reference import parse
from messaging.domain.messages.state import LEGAL_MOVES, RANK, State
from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.entrypoints.lab.chaos.judging.scripts import read_entry, script_of
from messaging.entrypoints.lab.chaos.storm.clients import Answer
from messaging.entrypoints.lab.chaos.storm.inflict import Inflicted
from messaging.entrypoints.lab.chaos.storm.plan import Storm, canary
from messaging.entrypoints.lab.chaos.storm.recipients import tail_of
from messaging.entrypoints.lab.dev.onboarding import Business
from messaging.entrypoints.sandbox.core.storage.ledger import Entry
from messaging.entrypoints.sandbox.core.webhooks import Delivery, read_mark

_TABLES: Final = """
CREATE TABLE asked (tenant TEXT, key TEXT, reference TEXT PRIMARY KEY, tail TEXT);
CREATE TABLE answers (key TEXT, status INT, digest TEXT);
CREATE TABLE accepted (key TEXT, reference TEXT, message TEXT, tenant TEXT);
CREATE TABLE ledger (n INTEGER PRIMARY KEY, wamid TEXT, message TEXT, epoch INT, tenant TEXT, received REAL,
                     foreign_canary INT, echoes INT, expected INT);
CREATE TABLE providers (n INTEGER PRIMARY KEY, provider TEXT);
CREATE TABLE messages (id TEXT PRIMARY KEY, tenant TEXT, reference TEXT, state TEXT, seq INT, epoch INT,
                       on_unknown TEXT, possible_duplicate INT, claim_failures INT);
CREATE TABLE attempts (message TEXT, epoch INT, phase TEXT, outcome TEXT, wamid TEXT, opened REAL, started REAL,
                       finished REAL, is_open INT, possible_duplicate INT, code TEXT, worker TEXT, tenant TEXT);
CREATE TABLE events (message TEXT, seq INT, type TEXT, state TEXT, moved INT, tenant TEXT, at REAL);
CREATE TABLE webhooks (digest TEXT, acked INT);
CREATE TABLE mails (digest TEXT, acked INT);
CREATE TABLE kept (provider TEXT, count INT);
CREATE TABLE raw (digest TEXT, status TEXT, problem TEXT);
CREATE TABLE dispatches (subject TEXT, kind TEXT);
CREATE TABLE faults (kind TEXT, target TEXT, began REAL, ended REAL, hit INT, pid INT);
CREATE TABLE processes (name TEXT, pid INT PRIMARY KEY);
CREATE TABLE terms (echo_grace REAL);
CREATE TABLE legal (source TEXT, target TEXT);
CREATE TABLE ranks (state TEXT, rank INT);
CREATE TABLE rest (what TEXT, value REAL, allowed REAL);
CREATE TABLE leaks (where_ TEXT);
CREATE TABLE surprises (where_ TEXT, what TEXT, error TEXT);
"""
# Returned mail is stored as it came over the wire, which its digest before it was sent does not tell.
_MAILED: Final = "mailto:"
# The waits of a storm are shorter than in operation.
ECHO_GRACE_SECONDS: Final = 4.0
_INDEXES: Final = """
CREATE INDEX ledger_message ON ledger (message);
CREATE INDEX messages_reference ON messages (reference);
CREATE INDEX attempts_message ON attempts (message, epoch);
CREATE INDEX events_message ON events (message, seq);
CREATE INDEX accepted_message ON accepted (message);
CREATE INDEX raw_digest ON raw (digest);
"""

_MESSAGES: Final = """
SELECT id::text, tenant_id::text, reference, state, seq, epoch, on_unknown, possible_duplicate::int, claim_failures
FROM messages
"""
_ATTEMPTS: Final = """
SELECT message_id::text, epoch, phase, outcome, provider_message_id, extract(epoch FROM opened_at)::float8,
       extract(epoch FROM started_at)::float8, extract(epoch FROM finished_at)::float8, is_open::int,
       possible_duplicate::int, error_code, lease_owner, tenant_id::text
FROM attempts
"""
_EVENTS: Final = """
SELECT message_id::text, seq, type, state, (detail ->> 'effect' IS NULL)::int, tenant_id::text,
       extract(epoch FROM recorded_at)::float8
FROM events
"""
_RAW: Final = "SELECT encode(digest, 'hex'), status, problem FROM raw_webhooks"
_KEPT: Final = "SELECT provider, count(*) FROM raw_webhooks GROUP BY provider"
_DISPATCHES: Final = "SELECT subject_id::text, kind FROM dispatches"


class Evidence:
    """Loads all evidence into `database`, which the invariants then query."""

    def __init__(self, storm: Storm, businesses: Sequence[Business]) -> None:
        self.database = sqlite3.connect(":memory:")
        self.database.executescript(_TABLES)
        self._storm = storm
        self._tenants = [str(parse_typeid(Prefix.TENANT, business.tenant)) for business in businesses]
        self._by_sender = {
            sender: index
            for index, business in enumerate(businesses)
            for sender in (*business.phone_number_ids, *(other.external_id for other in business.others))
        }

    def add_clients(self, answers: Iterable[Answer]) -> None:
        calls = {call.key: call for call in self._storm.calls}
        self._insert(
            "asked",
            (
                (self._tenants[call.tenant], call.key, planned.reference, tail_of(planned.to))
                for call in calls.values()
                for planned in call.messages
            ),
        )
        listed = list(answers)
        self._insert("answers", ((answer.key, answer.status, answer.digest) for answer in listed))
        self._insert(
            "accepted",
            {
                (answer.key, planned.reference, _uuid(id), self._tenants[calls[answer.key].tenant])
                for answer in listed
                for planned, id in zip(calls[answer.key].messages, answer.ids, strict=False)
                if id is not None
            },
        )

    def add_provider(self, state: Path) -> None:
        """Adds the sandbox's own files."""
        told: set[tuple[int, int]] = set()
        posts = [msgspec.json.decode(line, type=Delivery) for line in _lines(state / "webhooks.jsonl")]
        for post in posts:
            if post.acked:
                # A provider that was killed may report a step again.
                told.update((n, step) for n, step in map(read_mark, post.marks) if step is not None)
        taken = Counter(n for n, _ in told)
        by_mail = [post for post in posts if post.url.startswith(_MAILED)]
        self._insert("mails", ((post.sha256, int(post.acked)) for post in by_mail))
        others = (post for post in posts if post.url and not post.url.startswith(_MAILED))
        self._insert("webhooks", ((post.sha256, int(post.acked)) for post in others))
        entries = [read_entry(line) for line in _lines(state / "ledger.jsonl")]
        self._insert("ledger", (self._ledger_row(entry, taken[entry.n]) for entry in entries))
        self._insert("providers", ((entry.n, entry.provider) for entry in entries))

    def _ledger_row(self, entry: Entry, taken: int) -> tuple[Any, ...]:
        owner = self._by_sender.get(entry.sender)
        echoed = parse(entry.reference or "")
        body = bytes(entry.body).decode(errors="replace")
        others = [canary(self._storm.seed, index) for index in range(len(self._tenants)) if index != owner]
        script = script_of(entry)
        # When orders were reversed, nothing tells which status was lost; with all of them taken it is plain.
        everything_told = taken == script.steps
        return (
            entry.n,
            entry.message_id,
            None if echoed is None else str(echoed.message_id),
            None if echoed is None else echoed.epoch,
            None if owner is None else self._tenants[owner],
            entry.received_at,
            int(any(other in body for other in others)),
            taken if script.echoes else 0,
            script.best if everything_told and script.echoes and taken else None,
        )

    async def add_platform(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Adds one snapshot of all tables: what is compared must have been true at the same time."""
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for table, query in (
                ("messages", _MESSAGES),
                ("attempts", _ATTEMPTS),
                ("events", _EVENTS),
                ("raw", _RAW),
                ("kept", _KEPT),
                ("dispatches", _DISPATCHES),
            ):
                cursor = await connection.cursor(query)
                while rows := await cursor.fetch(20_000):
                    self._insert(table, map(tuple, rows))

    def add_faults(self, done: Iterable[Inflicted]) -> None:
        self._insert("faults", map(astuple, done))

    def add_processes(self, pids: Mapping[str, Sequence[int]]) -> None:
        """Adds the processes that ran, by name."""
        self._insert("processes", ((name, pid) for name, known in pids.items() for pid in known))

    def add_rest(self, figures: Iterable[tuple[str, float, float]]) -> None:
        """Adds what processes hold when nothing is to be done, and how much of it they may hold."""
        self._insert("rest", figures)

    def add_logs(self, logs: Iterable[Path]) -> None:
        """Adds the logs that hold content, or errors that nobody expected. Files are read as bytes, whatever is in
        them.
        """
        marks = [f"content{canary(self._storm.seed, tenant)}".encode() for tenant in range(len(self._tenants))]
        for log in logs:
            said = log.read_bytes()
            self._insert("leaks", ((log.name,) for mark in marks if mark in said))
            self._insert("surprises", ((log.name, *surprise) for surprise in _surprises(said)))

    def complete(self) -> None:
        """Completes the database: adds what the domain allows, and makes the indexes."""
        self._insert("terms", [(ECHO_GRACE_SECONDS,)])
        self._insert("legal", ((source.value, target.value) for source, target in LEGAL_MOVES))
        self._insert("ranks", ((state.value, RANK.get(state, 0)) for state in State))
        self.database.executescript(_INDEXES)

    def save(self, path: Path) -> None:
        """Saves the database for a look afterwards with any SQLite client."""
        path.unlink(missing_ok=True)
        with sqlite3.connect(path) as target:
            self.database.backup(target)
        target.close()

    def _insert(self, table: str, rows: Iterable[Sequence[Any]]) -> None:
        iterator = iter(rows)
        first = next(iterator, None)
        if first is None:
            return
        concurrency = ", ".join("?" * len(first))
        with self.database:
            self.database.execute(f"INSERT INTO {table} VALUES ({concurrency})", first)
            self.database.executemany(f"INSERT INTO {table} VALUES ({concurrency})", iterator)


class _Entry(msgspec.Struct):
    level: str = ""
    event: str = ""
    exception: str = ""


def _surprises(log: bytes) -> Iterator[tuple[str, str]]:
    """The errors that came with a traceback, with its last line. All other errors in the logs are expected ones."""
    for line in log.split(b"\n"):
        if b'"level":"error"' in line and b'"exception":' in line:
            try:
                entry = msgspec.json.decode(line, type=_Entry)
            except msgspec.DecodeError:
                # The last line of a process that was killed while it wrote may be incomplete.
                yield "cut off", line[-200:].decode(errors="replace")
                continue
            yield entry.event.partition("\n")[0], entry.exception.strip().rpartition("\n")[2]


def _uuid(id: str) -> str:
    uuid = parse_typeid(Prefix.MESSAGE, id)
    return id if uuid is None else str(uuid)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []
