"""Do the hot statements and every list find their index among many messages, whichever way Postgres plans them?"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest

from messaging.adapters.postgres import (
    apply_changes,
    callbacks,
    conversations,
    due,
    health,
    idempotency,
    lifecycles,
    locks,
    migrate,
    records,
    snapshots,
    submissions,
    upkeep,
)
from messaging.adapters.postgres.engine import Engines, create_engines
from messaging.adapters.postgres.transactions import Driver, transaction
from messaging.adapters.postgres.weeks import ALL_WEEKS, Weeks
from messaging.application.ports.records import MessageFilter
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId, TenantId
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.dev.postgres import EmbeddedPostgres

# Six tenants with 10 000 messages each, of the last seven days.
POPULATE = """
INSERT INTO tenants SELECT uuid_tail(n), 't' || n, 'active', now() FROM generate_series(1, 6) n;
INSERT INTO provider_accounts SELECT uuid_tail(n), uuid_tail(n), 'whatsapp_cloud', 'live', 'a', 'e', '', 't' || n,
    'active', now() FROM generate_series(1, 6) n;
INSERT INTO senders SELECT uuid_tail(n), uuid_tail(n), uuid_tail(n), 'whatsapp', 'live', 'e', '+1', 's', 'active',
    now(), 80, 0 FROM generate_series(1, 6) n;
CREATE TABLE seeds AS
SELECT uuid_tail(n % 6 + 1) AS tenant_id, id_of(now() - n * interval '10 seconds', n) AS id, n,
       CASE WHEN n % 5 = 0 THEN 'failed' WHEN n % 20 = 1 THEN 'queued' ELSE 'read' END AS state,
       now() - n * interval '10 seconds' AS created_at
FROM generate_series(1, 60000) n;
INSERT INTO messages (tenant_id, id, account_id, sender_id, created_at, updated_at, seq, epoch, attempts, checks,
    claim_failures, possible_duplicate, state, mode, channel, category, priority, on_unknown, policy, recipient_index,
    recipient_hint, summary, template_name, reference)
SELECT tenant_id, id, tenant_id, tenant_id, created_at, created_at, 3, CASE state WHEN 'queued' THEN 0 ELSE 1 END, 1,
    0, 0, false, state, 'live', 'whatsapp', 'utility', 'default', 'hold', 'durable',
    sha256((n % 3000)::text::bytea), 'hint', 'text', 'template_' || n % 100, 'order-' || n FROM seeds;
INSERT INTO contents SELECT tenant_id, id, repeat('x', 400)::bytea FROM seeds;
INSERT INTO attempts (tenant_id, message_id, account_id, epoch, lease_until, possible_duplicate, phase, outcome,
    lease_owner, provider_message_id)
SELECT tenant_id, id, tenant_id, 1, created_at, false, 'closed', 'accepted', 'w', 'wamid.' || n FROM seeds
WHERE state <> 'queued';
INSERT INTO events (tenant_id, message_id, seq, type, state, detail)
SELECT tenant_id, id, seq, 'x', CASE seq WHEN 3 THEN state ELSE 'queued' END, '{}'
FROM seeds, generate_series(1, 3) seq;
INSERT INTO dispatches (tenant_id, subject_id, sender_id, due_at, kind, channel, priority)
SELECT tenant_id, id, tenant_id, created_at, 'deliver', 'whatsapp', 'default' FROM seeds WHERE state = 'queued';
INSERT INTO dispatches (tenant_id, subject_id, sender_id, due_at, kind, channel, priority)
SELECT tenant_id, id, tenant_id, created_at, 'stop_waiting', 'whatsapp', 'default' FROM seeds WHERE n % 50 = 2;
INSERT INTO dispatches (tenant_id, subject_id, due_at, kind)
SELECT tenant_id, id, created_at, 'process_callback' FROM seeds WHERE n % 50 = 4;
INSERT INTO raw_callbacks SELECT tenant_id, id, tenant_id, created_at, NULL, 'whatsapp_cloud', 'stored', NULL,
    sha256(n::text::bytea), 'sealed' FROM seeds WHERE n % 5 = 4;
INSERT INTO callback_digests SELECT tenant_id, tenant_id, created_at, sha256(n::text::bytea) FROM seeds WHERE n % 5 = 4;
INSERT INTO parked_receipts SELECT tenant_id, tenant_id, created_at, created_at, 0, 'wamid.' || n,
    sha256(n::text::bytea), 'receipt' FROM seeds WHERE n % 10 = 0;
INSERT INTO inbound_messages (tenant_id, id, account_id, sender_id, occurred_at, provider_message_id, kind, sealed)
SELECT tenant_id, id, tenant_id, tenant_id, created_at, 'wamid.in.' || n, 'text', 'sealed' FROM seeds WHERE n % 5 = 0;
INSERT INTO service_windows SELECT tenant_id, tenant_id, created_at, sha256(n::text::bytea) FROM seeds WHERE n % 5 = 0;
INSERT INTO dead_letters SELECT tenant_id, id, created_at, NULL, 'code', 'reason' FROM seeds WHERE n % 10 = 3;
INSERT INTO idempotency_keys (scope, key, fingerprint, status, body, expires_at)
SELECT tenant_id, 'key-' || n, 'f', 202, '', created_at + interval '7 days' FROM seeds;
DELETE FROM config_versions;
INSERT INTO config_versions SELECT uuid_tail(n), 1, now(), n FROM generate_series(1, 20000) n;
"""
FUNCTIONS = (
    "CREATE FUNCTION uuid_tail(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE"
    " AS $$ SELECT lpad(to_hex(n), 32, '0')::uuid $$",
    "CREATE FUNCTION id_of(at timestamptz, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE"
    " AS $$ SELECT (left(uuid_floor(at)::text, 18) || '-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$",
)
# As it is made, eight weeks before it begins.
NEW_WEEK = "_2099w01"
ADD_NEW_WEEK = f"""
DO $$
DECLARE
    parent text;
    monday timestamptz := '2098-12-29 00:00Z';
BEGIN
    FOREACH parent IN ARRAY ARRAY['messages', 'contents', 'attempts', 'events'] LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)', parent || '{NEW_WEEK}', parent,
                       uuid_floor(monday), uuid_floor(monday + interval '7 days'));
        PERFORM prepare_partition(parent, parent || '{NEW_WEEK}');
    END LOOP;
END
$$
"""
# No page of these tables may be read without an index. (Configuration is small: there a scan is right.)
BIG = (
    *("messages", "contents", "attempts", "events", "raw_callbacks", "dispatches", "callback_digests"),
    *("parked_receipts", "inbound_messages", "service_windows", "dead_letters", "idempotency_keys", "config_versions"),
)

WHOLESALE = ("Sort", "Hash Join", "Merge Join", "Bitmap Heap Scan")


class Statement(NamedTuple):
    """`role` names the pool; `indexes` must all be in the plan, by the name of the whole table's index.

    A list must come out of its index in order: whatever reads and sorts, or joins, all there is would grow with it.
    """

    role: str
    sql: str
    arguments: Sequence[Any]
    indexes: Sequence[str]
    is_list: bool = False


TENANT = TenantId(UUID(int=1))
SOME = 50


@asynccontextmanager
async def _populated(populate: str) -> AsyncIterator[Engines]:
    """The pools as the processes have them, over analyzed tables; the partitions of the coming weeks are empty."""
    async with EmbeddedPostgres() as server:
        await asyncio.to_thread(migrate.upgrade, server.url())
        owner = await asyncpg.connect(server.url())
        for statement in (*FUNCTIONS, populate, "VACUUM ANALYZE", ADD_NEW_WEEK):
            await owner.execute(statement, timeout=100)
        await owner.close()
        engines = create_engines(server.url())
        yield engines
        await engines.dispose()


@pytest.fixture(scope="module")
async def populated() -> AsyncIterator[Engines]:
    async with _populated(POPULATE) as engines:
        yield engines


@pytest.fixture
async def young() -> AsyncIterator[Engines]:
    """A platform on its first day."""
    async with _populated(_so_many(4)) as engines:
        yield engines


@pytest.fixture
async def first_analyzed() -> AsyncIterator[Engines]:
    """As many rows as a table has when its statistics are taken for the first time."""
    async with _populated(_so_many(1000)) as engines:
        yield engines


def _so_many(messages: int) -> str:
    return POPULATE.replace("generate_series(1, 60000)", f"generate_series(1, {messages})")


def _filters(last: MessageId) -> Mapping[str, tuple[MessageFilter, str, str]]:
    """Each list: its filter, its form, and the index it lives on."""
    day = datetime.now(UTC) - timedelta(days=1)
    return {
        "everything": (MessageFilter(), "newest", "messages_pkey"),
        "of a mode": (MessageFilter(mode=Mode.LIVE), "newest", "messages_pkey"),
        "to a recipient": (MessageFilter(recipient_index=b"\0" * 32), "newest", "messages_recipient_idx"),
        "by reference": (MessageFilter(reference="order-7"), "newest", "messages_reference_idx"),
        "by template": (MessageFilter(template="template_7"), "newest", "messages_template_idx"),
        "of a time": (
            MessageFilter(created_after=day, created_before=day + timedelta(hours=6)),
            "newest",
            "messages_pkey",
        ),
        "to a recipient, by template": (
            MessageFilter(recipient_index=b"\0" * 32, template="template_7"),
            "newest",
            "messages_recipient_idx",
        ),
        "in a rare state": (MessageFilter(states=(State.FAILED,)), "stretch", "events_rare_state_idx"),
        "in a rare state, by template": (
            MessageFilter(states=(State.FAILED,), template="template_7", mode=Mode.LIVE),
            "stretch",
            "events_rare_state_idx",
        ),
        "in a waiting state": (MessageFilter(states=(State.QUEUED, State.CLAIMED)), "stretch", "dispatches_pkey"),
        "in a common state, by template": (
            MessageFilter(states=(State.SENT,), template="template_7"),
            "stretch",
            "messages_template_idx",
        ),
        "in a common state": (MessageFilter(states=(State.SENT, State.READ)), "stretch", "messages_pkey"),
        "in a state, to a recipient": (
            MessageFilter(states=(State.FAILED,), recipient_index=b"\0" * 32),
            "stretch",
            "messages_recipient_idx",
        ),
    }


async def _statements(driver: Driver) -> dict[str, Statement]:
    rows = await driver.fetch("SELECT tenant_id, id FROM messages ORDER BY id DESC LIMIT $1", SOME)
    tenants, ids = [row["tenant_id"] for row in rows], [row["id"] for row in rows]
    bounds = (min(ids), max(ids))
    last = MessageId(max(ids))
    now = datetime.now(UTC)
    some: dict[str, list[Any]] = {
        kind: [value] * SOME for kind, value in {"int": 1, "text": "x", "bytes": b"x", "time": now}.items()
    }
    i, t, b, w = (some[kind] for kind in ("int", "text", "bytes", "time"))
    keys = [f"key-{n}" for n in range(SOME)]
    lane = ("whatsapp", "default")
    one = [UUID(int=1)]
    waits = [timedelta(seconds=1)] * SOME
    opening, arrangement = ("x", timedelta(0), False, False), ("x", now, True)
    change = [(*row, 1, "x", "x", 1, 1, 1, 1, 1, False, False, "x", "x", *opening, *arrangement) for row in rows]
    told = [(*row, 1, "x", "x", "{}", None) for row in rows]
    news = [(*row, 1, "x", "x", "x", "x", "x", 1, 1, False, False) for row in rows]
    digests = (tenants, tenants, t, b)
    system = {
        "pick due": (due.PICK_DUE, (*lane, one, one, one, [20]), ["dispatches_lane_idx"]),
        "lock expired": (
            locks.LOCK_EXPIRED,
            ([UUID(int=1)], [UUID(int=1)], ["whatsapp"], ["default"], 20),
            ["dispatches_lane_idx", "messages_pkey"],
        ),
        "lock lost": (
            locks.LOCK_LOST,
            ([UUID(int=1)], [UUID(int=1)], 20),
            ["attempts_one_open", "dispatches_pkey", "messages_pkey"],
        ),
        "flows due": (due.FLOWS_DUE, (*lane, one[0], 32, 16, one, one, one, 50, one), ["dispatches_lane_idx"]),
        "lock waits": (locks.LOCK_OTHERS, ("stop_waiting", 20), ["dispatches_other_idx", "messages_pkey"]),
        "witnesses": (
            lifecycles.WITNESSES,
            (tenants[:1], tenants[:1], tenants[:1], w[:1], w[:1], 20),
            [
                *("messages_pkey", "events_pkey", "attempts_pkey", "raw_callbacks_pkey"),
                "parked_receipts_provider_message_idx",
            ],
        ),
        "find attempts": (lifecycles.FIND_ATTEMPTS, (tenants, t), ["attempts_provider_message_idx"]),
        "lanes due": (due.LANES_DUE, (["whatsapp"], ["low"], ["whatsapp"], ["low"], one), ["dispatches_lane_idx"]),
        "kinds due": (
            lifecycles.KINDS_DUE,
            (["stop_waiting", "rematch"],),
            ["dispatches_other_idx", "parked_receipts_next_look_idx"],
        ),
        "arrange": (apply_changes.ARRANGE, (change,), ["messages_pkey"]),
        "postpone": (lifecycles.POSTPONE, (tenants, ids, waits, "deliver"), ["dispatches_pkey"]),
        "withdraw": (apply_changes.WITHDRAW, (tenants, ids), ["dispatches_pkey"]),
        "flag": (apply_changes.FLAG_DUPLICATES, (tenants, ids), ["messages_pkey"]),
        "resolve": (apply_changes.RESOLVE, (tenants, ids, t), ["dead_letters_open_idx"]),
        "lock callbacks": (callbacks.LOCK_DUE, (20,), ["dispatches_other_idx", "raw_callbacks_pkey"]),
        "settle callbacks": (
            callbacks.SETTLE,
            (tenants, ids, *bounds, "processed", None),
            ["raw_callbacks_pkey", "dispatches_pkey"],
        ),
        "lock parked": (callbacks.LOCK_PARKED, (tenants, t), ["parked_receipts_provider_message_idx"]),
        "lock parked due": (callbacks.LOCK_PARKED_DUE, (20,), ["parked_receipts_next_look_idx"]),
        "unpark": (callbacks.UNPARK, digests, ["parked_receipts_provider_message_idx"]),
        "park again": (callbacks.PARK_AGAIN, (*digests, w), ["parked_receipts_provider_message_idx"]),
        "last inbound": (conversations.LAST_INBOUND, (TENANT, tenants, b), ["service_windows_pkey"]),
        "urgent lag": (health.LAG, (["whatsapp"],), ["dispatches_lane_idx"]),
        "changed": (snapshots.CHANGED, (19_990,), ["config_versions_changed_idx"]),
        "purge keys": (upkeep.PURGE_KEYS, (10,), ["idempotency_keys_expires_idx", "idempotency_keys_pkey"]),
        "purge inbound": (
            upkeep.PURGE_INBOUND,
            (10, timedelta(days=365)),
            ["inbound_messages_received_idx", "inbound_messages_pkey"],
        ),
        "purge digests": (upkeep.PURGE_DIGESTS, (10,), ["callback_digests_received_idx", "callback_digests_pkey"]),
        "finish": (idempotency.FINISH, (TENANT, "key-1", 200, b""), ["idempotency_keys_pkey"]),
        "known": (idempotency.KNOWN, (TENANT, "key-1"), ["idempotency_keys_pkey"]),
    }
    middle = await driver.fetchval(
        "SELECT id FROM messages ORDER BY id OFFSET (SELECT count(*) / 2 FROM messages) LIMIT 1"
    )
    # On Monday plans are made for tables that are as new as the last ones, and kept while they fill.
    weeks = {"": ALL_WEEKS, " of a week": await Weeks().of(driver, [middle]), " of a new week": NEW_WEEK}
    for name, week in weeks.items():
        if name and week == ALL_WEEKS:
            continue
        system |= {
            f"lock picked{name}": (
                locks.LOCK_PICKED.format(week=week),
                (tenants, ids),
                ["messages_pkey", "contents_pkey"],
            ),
            f"lock{name}": (locks.LOCK.format(week=week), (tenants, ids, *bounds), ["messages_pkey"]),
            f"last attempts{name}": (
                locks.LAST_ATTEMPTS.format(week=week),
                (tenants, ids, i, *bounds),
                ["attempts_pkey"],
            ),
            f"changes{name}": (
                apply_changes.statement(apply_changes.Parts(True, True, True, True), week),
                (change, told, news),
                ["messages_pkey", "attempts_pkey", "dispatches_pkey"],
            ),
            f"each change{name}": (
                apply_changes.statement(apply_changes.Parts(True, True, True, True, each=True), week),
                (change, told, news),
                ["messages_pkey", "attempts_pkey", "dispatches_pkey"],
            ),
            f"changes without news{name}": (
                apply_changes.statement(apply_changes.Parts(False, True, True, False), week),
                (change, told),
                ["messages_pkey", "dispatches_pkey"],
            ),
        }
    app = {
        "known keys": (submissions.KNOWN_KEYS, (TENANT, keys), ["idempotency_keys_pkey"]),
        "still known": (submissions.STILL_KNOWN, (TENANT, keys), ["idempotency_keys_pkey"]),
        "known messages": (submissions.KNOWN_MESSAGES, (TENANT, ids), ["messages_pkey"]),
        "one message": (records.MESSAGE, (TENANT, last), ["messages_pkey", "contents_pkey"]),
        "timeline": (records.EVENTS, (TENANT, last, 0, 50), ["events_pkey"]),
        "open letters": (records.OPEN_LETTERS, (TENANT, last, 50), ["dead_letters_open_idx"]),
        "all letters": (records.ALL_LETTERS, (TENANT, last, 50), ["dead_letters_pkey"]),
        "one letter": (records.ONE_LETTER, (TENANT, last), ["dead_letters_pkey"]),
        "of a mode": (records.OF_MODE, (TENANT, ids, *bounds, "live"), ["messages_pkey"]),
        "open among": (records.OPEN_AMONG, (TENANT, ids), ["dead_letters_open_idx"]),
        "discard": (records.DISCARD, (TENANT, ids, *bounds, "{}"), ["messages_pkey", "dead_letters_pkey"]),
        "inbound page": (conversations.PAGE, (TENANT, None, 50), ["inbound_messages_pkey"]),
    }
    found = {name: Statement("system", *parts) for name, parts in system.items()}
    found |= {name: Statement("app", *parts) for name, parts in app.items()}
    for name, (wanted, form, index) in _filters(last).items():
        for before in (None, last):
            sql, *arguments = getattr(records.PageQuery(TENANT, wanted, before), form)(51)
            title = f"list {name}{' further on' if before else ''}"
            found[title] = Statement("app", sql, arguments, [index, "contents_pkey"], is_list=True)
    for name, reference, index in (
        ("undecided", None, "events_rare_state_idx"),
        ("undecided by reference", "order-7", "messages_reference_idx"),
    ):
        waiting = MessageFilter(states=(State.DEAD, State.UNCONFIRMED), reference=reference, error_code="131026")
        sql, *arguments = records.PageQuery(TENANT, waiting, None).undecided(1_001)
        found[name] = Statement("app", sql, arguments, [index, "dead_letters_open_idx"])
    for state, index in (
        (State.SENT, "messages_pkey"),
        (State.FAILED, "events_rare_state_idx"),
        (State.QUEUED, "dispatches_pkey"),
    ):
        sql, *arguments = records.PageQuery(TENANT, MessageFilter(states=(state,)), last).end_of_stretch()
        found[f"end of stretch, {state}"] = Statement("app", sql, arguments, [index], is_list=True)
    return found


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@pytest.mark.parametrize("options", ["", ", GENERIC_PLAN"], ids=["custom", "generic"])
async def test_hot_statements_and_lists_use_their_indexes(populated: Engines, options: str) -> None:
    async with transaction(populated.system) as opened:
        statements = await _statements(opened.driver)
        parents = await opened.driver.fetch(
            "SELECT inhrelid::regclass::text AS part, inhparent::regclass::text AS whole FROM pg_inherits"
        )
    whole = {row["part"]: row["whole"] for row in parents}

    assert "changes of a week" in statements

    problems: list[str] = []
    for name, statement in statements.items():
        async with transaction(getattr(populated, statement.role), tenant_id=TENANT) as opened:
            if statement.is_list:
                await opened.driver.execute(records.LIST_SETTINGS)
            explained = await opened.driver.fetchval(
                f"EXPLAIN (FORMAT JSON{options}) {statement.sql}", *statement.arguments
            )
        problems.extend(f"{name}: {problem}" for problem in _problems(explained[0]["Plan"], statement, whole))
    assert not problems, "\n".join(problems)


def _is_limited(node: Mapping[str, Any]) -> bool:
    """Whether no more than a page comes in from the side that drives the node."""
    while node["Node Type"] != "Limit" and "Plans" in node:
        node = node["Plans"][0]
    return bool(node["Node Type"] == "Limit")


def _problems(plan: Mapping[str, Any], statement: Statement, whole: Mapping[str, str]) -> Iterator[str]:
    nodes = list(_nodes(plan))
    used = {whole.get(node["Index Name"], node["Index Name"]) for node in nodes if "Index Name" in node}
    if missing := set(statement.indexes) - used:
        yield f"{sorted(missing)} not used, but {sorted(used)}"
    # Of no empty week either: there it is as good as the primary key, and when they have filled it is not.
    if "messages_recipient_idx" in used - set(statement.indexes):
        yield "looks messages up in the index by recipient"
    for node in nodes:
        table = str(node.get("Relation Name", ""))
        if statement.is_list and node["Node Type"] in WHOLESALE and not _is_limited(node):
            yield f"goes by way of a {node['Node Type']}"
        if node["Node Type"] == "Seq Scan" and table.startswith(BIG):
            yield f"reads all of {table}"
        elif "Index Name" in node and "Index Cond" not in node:
            yield f"reads all of the index {node['Index Name']}"


async def test_plans_that_are_kept_from_the_first_day_on_gather_nothing(young: Engines) -> None:
    """What is gathered into a hash is next to nothing on that day, and a year later all there is."""
    gathering = {name async for name, plan in _kept_plans(young) for node in _nodes(plan) if _gathers(node)}

    assert gathering == set()


def _gathers(node: Mapping[str, Any]) -> bool:
    """Whether it has a hash made of anything but what an earlier step of the same statement wrote."""
    if node["Node Type"] == "CTE Scan":
        return False
    subplans = {plan["Subplan Name"]: plan for plan in node.get("Plans", ()) if "Subplan Name" in plan}
    hashed = set(re.findall(r"hashed (SubPlan \d+)", str({key: node[key] for key in node if key != "Plans"})))
    return any(subplans[name]["Node Type"] != "CTE Scan" for name in hashed)


async def test_plans_of_the_first_statistics_look_each_key_up(first_analyzed: Engines) -> None:
    """To read all of an index and compare is as quick for a handful of rows, and is kept while they become many."""
    reading = {name async for name, plan in _kept_plans(first_analyzed) for node in _nodes(plan) if _reads_all(node)}

    # Of a held sender, once in two seconds, and up to 5 000 at a time.
    assert reading <= {"lock expired"}


def _reads_all(node: Mapping[str, Any]) -> bool:
    return "Index Name" in node and "Index Cond" not in node


async def _kept_plans(engines: Engines) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    async with transaction(engines.system) as opened:
        for name, statement in (await _statements(opened.driver)).items():
            if statement.role == "system":
                explained = await opened.driver.fetchval(
                    f"EXPLAIN (FORMAT JSON, GENERIC_PLAN) {statement.sql}", *statement.arguments
                )
                yield name, explained[0]["Plan"]


async def test_looking_for_lanes_with_work_does_not_read_their_backlogs(populated: Engines) -> None:
    """Also with one flow and a hundred thousand due, where to gather all that is due looks cheap in a plan."""
    async with transaction(populated.system) as opened:
        waiting = await opened.driver.fetchval("SELECT count(*) FROM dispatches WHERE kind = 'deliver'")
        explained = await opened.driver.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {due.LANES_DUE}", ["whatsapp"], ["default"], [], [], []
        )

    nodes = list(_nodes(explained[0]["Plan"]))
    read = [node["Actual Rows"] * node["Actual Loops"] for node in nodes if node.get("Relation Name") == "dispatches"]
    assert sum(read) < 10 < waiting
    # A join could be turned round to begin with what is due; a look at each flow could not.
    assert "Semi" not in {node.get("Join Type") for node in nodes}
    assert "Aggregate" not in {node["Node Type"] for node in nodes}


async def test_the_platforms_statements_are_planned_once(populated: Engines) -> None:
    lock = locks.LOCK.format(week=ALL_WEEKS)
    async with transaction(populated.system) as opened:
        for _ in range(3):
            await opened.driver.fetch(lock, [TENANT], [UUID(int=1)], UUID(int=1), UUID(int=1))
        planned = await opened.driver.fetchrow(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1", lock
        )

    assert planned is not None
    assert tuple(planned) == (3, 0)


async def test_a_set_of_keys_opens_no_week_but_theirs(populated: Engines) -> None:
    """By its keys alone a kept plan passes over the other weeks too, but only after it has opened them all."""
    async with transaction(populated.system) as opened:
        newest = await opened.driver.fetchrow(
            "SELECT id, right(tableoid::regclass::text, 7) FROM messages ORDER BY id DESC LIMIT 1"
        )
        assert newest is not None
        last, week = newest
        await opened.driver.execute(f"PREPARE lock (uuid[], uuid[], uuid, uuid) AS {locks.LOCK.format(week=ALL_WEEKS)}")
        explained = await opened.driver.fetchval(
            f"EXPLAIN (FORMAT JSON) EXECUTE lock('{{}}', '{{}}', '{last}', '{last}')"
        )
        scanned = {node["Relation Name"] for node in _nodes(explained[0]["Plan"]) if "Index Name" in node}
        assert {name for name in scanned if name.startswith("messages")} == {f"messages_{week}"}
        await opened.driver.execute("DEALLOCATE lock")
