"""Do the hot statements and every list find their index among many messages, whichever way Postgres plans them?"""

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.adapters.postgres.callbacks.delivering import lane_statements
from messaging.adapters.postgres.dispatches import due
from messaging.adapters.postgres.messages import locks
from messaging.adapters.postgres.reading import message_lists
from messaging.adapters.postgres.schema.weeks import ALL_WEEKS
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.webhooks import raw_webhooks
from messaging.domain.shared.mode import Mode, TenantScope
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres
from tests.conftest import _database
from tests.integration.postgres.plans.populating import populated_with
from tests.integration.postgres.plans.statement import TENANT, Statement
from tests.integration.postgres.plans.statements import hot_statements_and_lists

# No page of these tables may be read without an index. (Configuration is small: there a scan is right.)
BIG = (
    *("messages", "contents", "attempts", "events", "raw_webhooks", "dispatches", "webhook_digests"),
    *("parked_receipts", "inbound_messages", "service_windows", "dead_letters", "idempotency_keys", "config_versions"),
    *("provider_events", "jobs", "callback_lanes", "callback_queue"),
)

WHOLESALE = ("Sort", "Hash Join", "Merge Join", "Bitmap Heap Scan")


@pytest.fixture(scope="module")
async def populated(postgres_server: EmbeddedPostgres, _migrated_template: str) -> AsyncIterator[Engines]:
    async for database in _database(postgres_server, template=_migrated_template):
        async with populated_with(60_000, database) as engines:
            yield engines


@pytest.fixture
async def young(fresh_database: str) -> AsyncIterator[Engines]:
    """A platform on its first day."""
    async with populated_with(4, fresh_database) as engines:
        yield engines


@pytest.fixture
async def first_analyzed(fresh_database: str) -> AsyncIterator[Engines]:
    """As many rows as a table has when its statistics are taken for the first time."""
    async with populated_with(1_000, fresh_database) as engines:
        yield engines


def _nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@pytest.mark.parametrize("options", ["", ", GENERIC_PLAN"], ids=["custom", "generic"])
async def test_hot_statements_and_lists_use_their_indexes(populated: Engines, options: str) -> None:
    async with transaction(populated.system) as opened:
        statements = await hot_statements_and_lists(opened.driver)
        parents = await opened.driver.fetch(
            "SELECT inhrelid::regclass::text AS part, inhparent::regclass::text AS whole FROM pg_inherits"
        )
    whole = {row["part"]: row["whole"] for row in parents}

    assert "changes of a week" in statements

    problems: list[str] = []
    for name, statement in statements.items():
        async with transaction(getattr(populated, statement.role), scope=TenantScope(TENANT, Mode.LIVE)) as opened:
            if statement.is_list:
                await opened.driver.execute(message_lists.LIST_SETTINGS)
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
    assert reading <= {"lock-expired"}


def _reads_all(node: Mapping[str, Any]) -> bool:
    return "Index Name" in node and "Index Cond" not in node


async def _kept_plans(engines: Engines) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    async with transaction(engines.system) as opened:
        for name, statement in (await hot_statements_and_lists(opened.driver)).items():
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


async def test_claiming_lanes_looks_at_neither_dead_endpoints_nor_what_waits(populated: Engines) -> None:
    """A thousand dead endpoints with a hundred callbacks each cost nothing beside ten live ones."""
    claim: tuple[Any, ...] = (False, 50, 4, timedelta(seconds=40), [])
    async with transaction(populated.system) as opened:
        explained = await opened.driver.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {lane_statements.CLAIM}", *claim)
        found = await opened.driver.fetchval("SELECT count(*) FROM callback_lanes WHERE leased")

    nodes = list(_nodes(explained[0]["Plan"]))
    read = {
        table: sum(it["Actual Rows"] * it["Actual Loops"] for it in nodes if it.get("Relation Name") == table)
        for table in ("callback_lanes", "callback_queue")
    }
    assert found == 10
    assert read["callback_queue"] <= 10 * 4
    assert read["callback_lanes"] <= 4 * 10
    assert sum(node.get("Rows Removed by Filter", 0) for node in nodes) == 0


async def test_messages_to_a_number_that_was_connected_are_found_by_the_number(populated: Engines) -> None:
    """All senders are looked at, which are few; of the events only those of each."""
    async with transaction(populated.system) as opened:
        explained = await opened.driver.fetchval(
            f"EXPLAIN (FORMAT JSON, GENERIC_PLAN) {raw_webhooks.PUT_BACK_CONNECTED}", 20
        )

    looks = [node for node in _nodes(explained[0]["Plan"]) if node.get("Relation Name") == "provider_events"]
    assert "provider_events_sender_unknown_idx" in {node.get("Index Name") for node in looks}
    assert [node["Node Type"] for node in looks if "Index Name" in node and "Index Cond" not in node] == []
    assert "Seq Scan" not in {node["Node Type"] for node in looks}


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
