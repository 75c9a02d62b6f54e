"""Does the platform come back by itself, in time and without sending twice, from the loss of each of its parts?

On the platform whose processes die all the time, leases are twenty times shorter than the defaults: a worker that dies
with claims costs its lease of 30 s (here 1.5 s) and the second or two until somebody looks.
"""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.entrypoints.lab.dev.processes.loopback import free_port
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres, Shutdown
from tests.journeys.platform import MORTAL_LEASE, Platform, eventually

# From the end of a lease to the next claim: what the promise of 35 s leaves beside a lease of 30 s.
_SLACK = 5.0
_BACKLOG = 2_000
_OURS = ("api", "webhooks", "worker")


@pytest.fixture
def platform(mortal: Platform) -> Platform:
    return mortal


def servers(platform: Platform) -> EmbeddedPostgres:
    assert platform.stack.postgres is not None
    return platform.stack.postgres


def pids(platform: Platform) -> dict[str, int]:
    return {name: platform.stack.pids[name] for name in _OURS}


def looking(platform: Platform) -> AbstractAsyncContextManager["asyncpg.Connection[asyncpg.Record]"]:
    """A look into the database, across tenants."""

    @asynccontextmanager
    async def look() -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        connection = await asyncpg.connect(platform.stack.owner_url)
        try:
            await connection.execute("SET ROLE messaging_system")
            yield connection
        finally:
            await connection.close()

    return look()


async def submit(platform: Platform, prefix: str, count: int) -> list[str]:
    """To numbers of the North American plan that begin with `prefix`."""
    digits = len("+14155550100") - len(prefix)
    ids: list[str] = []
    for first in range(0, count, 500):
        last = min(count, first + 500)
        ids += await platform.accepted_batch([platform.order(f"{prefix}{n:0{digits}d}") for n in range(first, last)])
    return ids


async def assert_sent_once(platform: Platform, ids: Sequence[str]) -> None:
    ledger = await platform.ledger()
    assert {ledger[id] for id in ids} == {1}


async def test_claims_of_a_dead_worker_are_taken_over_when_their_lease_ends(platform: Platform) -> None:
    keeper = platform.stack.keepers["worker"]
    crashes = len(keeper.exits)
    await keeper.restart({"APP_CRASHPOINT": "claim.after_commit"})
    ids = await submit(platform, "+1415601", 40)

    back_at = await back_again(platform, crashes)
    ends = await platform.until_all_end(ids, within=120)

    assert set(ends) <= {"read", "delivered"}
    assert keeper.exits[crashes:] == [137]
    async with looking(platform) as connection:
        rows = await connection.fetch(
            "SELECT e.message_id, array_agg(e.recorded_at ORDER BY e.seq) AS claims FROM events e"
            " WHERE e.type = 'attempt.claimed' AND e.message_id = ANY($1) GROUP BY e.message_id HAVING count(*) > 1",
            [parse_typeid(Prefix.MESSAGE, id) for id in ids],
        )
    assert rows, "the dead worker held nothing"
    waits = [row["claims"][1] - max(row["claims"][0] + timedelta(seconds=MORTAL_LEASE), back_at) for row in rows]
    assert max(waits).total_seconds() < _SLACK
    await assert_sent_once(platform, ids)


async def back_again(platform: Platform, deaths: int) -> datetime:
    """When the worker was ready after it had died once more. How long a start takes is up to the machine."""
    keeper = platform.stack.keepers["worker"]

    async def started_again() -> bool | None:
        return True if len(keeper.exits) > deaths and keeper.child.is_running else None

    await eventually(started_again, within=120, what="the worker did not die, or was not started again")
    await keeper.child.answers(f"http://127.0.0.1:{platform.stack.ports.worker}/readyz")
    return datetime.now(UTC)


async def test_hints_of_a_backlog_are_rebuilt_after_redis_forgot_everything(platform: Platform) -> None:
    redis = platform.stack.redis
    assert redis is not None
    await platform.stack.stop_worker()
    ids = await submit(platform, "+14157", _BACKLOG)
    await platform.stack.start_worker()

    async with looking(platform) as connection:
        await redis.flush()
        flushed_at = await connection.fetchval("SELECT clock_timestamp()")

        async def claimed_since() -> float | None:
            found = await connection.fetchval(
                "SELECT min(recorded_at) FROM events WHERE type = 'attempt.claimed' AND recorded_at > $1", flushed_at
            )
            return None if found is None else float((found - flushed_at).total_seconds())

        took = await eventually(claimed_since, within=120, what="nothing was claimed after the flush")
    ends = await platform.until_all_end(ids, within=120)

    assert took < 30
    assert set(ends) <= {"read", "delivered"}
    await assert_sent_once(platform, ids)


async def test_processes_live_through_restarts_of_redis_and_postgres(platform: Platform) -> None:
    redis, before = platform.stack.redis, pids(platform)
    assert redis is not None
    ids = await submit(platform, "+1415603", 300)

    await redis.kill()
    await redis.restart()
    await servers(platform).restart(Shutdown.IMMEDIATE)
    ends = await platform.until_all_is_told(ids)

    assert pids(platform) == before
    # A send may have been under way while its outcome could not be written: at most those wait for a person.
    ledger = await platform.ledger()
    assert all(ledger[id] <= 1 for id in ids)
    assert ends["read"] + ends["delivered"] == sum(ledger[id] for id in ids)
    assert ends["unconfirmed"] == sum(ledger[id] == 0 for id in ids)
    assert await platform.illegal_histories() == []


async def test_without_postgres_the_api_says_so_within_two_seconds_and_is_back_soon_after_it(
    platform: Platform,
) -> None:
    before = pids(platform)
    await servers(platform).stop(Shutdown.IMMEDIATE)
    try:
        # The quickest of three: a wait of ours would show in each, one of a busy machine does not.
        rounds = [await refusals(platform) for _ in range(3)]
        ready = await platform.client.get("/readyz")
    finally:
        await servers(platform).start()

    async def accepted() -> str | None:
        response = await platform.submit(platform.order("+14156049999"))
        return response.json()["id"] if response.status_code == 202 else None

    id = await eventually(accepted, within=120, what="nothing was accepted after Postgres was back")
    refused = [response for responses, _ in rounds for response in responses]
    assert {response.status_code for response in refused} == {503}
    assert all(int(response.headers["Retry-After"]) > 0 for response in refused)
    assert min(took for _, took in rounds) < 2
    assert ready.status_code == 503
    assert not next(check for check in ready.json()["checks"] if check["name"] == "postgres")["ok"]
    assert pids(platform) == before
    await platform.until(id, "delivered", "read")


async def refusals(platform: Platform) -> tuple[list[httpx.Response], float]:
    """The answers to twenty calls at once, and the seconds they took."""
    began = time.monotonic()
    answers = await asyncio.gather(*(platform.submit(platform.order(f"+1415604{n:04d}")) for n in range(20)))
    return answers, time.monotonic() - began


async def test_a_worker_that_wakes_up_after_its_leases_neither_sends_nor_overwrites(platform: Platform) -> None:
    draw = random.Random(17)
    await platform.stack.add_worker("second", port=free_port())
    sleeper = platform.stack.keepers["worker"].child
    ids: list[str] = []
    try:
        for round in range(2):
            ids += await submit(platform, f"+141605{round}", 300)
            await asyncio.sleep(draw.uniform(0.05, 0.4))  # the fault: it strikes at any moment
            sleeper.send(signal.SIGSTOP)
            try:
                await platform.until_all_end(ids, within=120)
            finally:
                sleeper.send(signal.SIGCONT)
    finally:
        await platform.stack.keepers.pop("second").stop()
    ends = await platform.until_all_is_told(ids)

    ledger = await platform.ledger()
    assert all(ledger[id] <= 1 for id in ids)
    assert ends["read"] + ends["delivered"] == sum(ledger[id] for id in ids)
    assert ends["unconfirmed"] == sum(ledger[id] == 0 for id in ids)
    assert await platform.illegal_histories() == []


async def test_after_an_older_backup_is_restored_nothing_is_sent_a_second_time(platform: Platform) -> None:
    postgres, stack = servers(platform), platform.stack
    await stack.stop_worker()
    due = await submit(platform, "+1415606", 60)
    async with stopped(postgres):
        await copy(postgres.home / "data", postgres.home / "backup")
    await stack.start_worker()
    after_backup = await submit(platform, "+1415607", 20)
    # Nothing must be left to be told to the database that does not know of it.
    await platform.until_all_is_told([*due, *after_backup])
    await stack.stop_worker()

    async with stopped(postgres):
        await copy(postgres.home / "backup", postgres.home / "data")
        recover_to_a_new_timeline(postgres.home / "data")
    identity = await eventually(lambda: not_settled(platform), within=120, what="nobody noticed the switch")
    since = await submit(platform, "+1415608", 20)
    await stack.start_worker()
    ends = await platform.until_all_end(due, within=120)

    assert "timeline 2; not the server it was: nothing is claimed" in identity
    assert ends == {"unconfirmed": 60}
    assert [entry["detail"].get("code") for entry in await platform.timeline(due[0])][1] == "failover"
    assert set(await platform.until_all_end(since)) <= {"read", "delivered"}
    await assert_sent_once(platform, [*due, *after_backup, *since])
    assert await platform.illegal_histories() == []


@asynccontextmanager
async def stopped(postgres: EmbeddedPostgres) -> AsyncIterator[None]:
    await postgres.stop()
    yield
    await postgres.start()


async def copy(source: Path, target: Path) -> None:
    """With owners and modes, in the place of whatever is there."""
    command = 'rm -rf "$2" && cp -a "$1" "$2"'
    process = await asyncio.create_subprocess_exec("sh", "-c", command, "copy", str(source), str(target))
    assert await process.wait() == 0


def recover_to_a_new_timeline(data: Path) -> None:
    """As restoring from an archive does, with nothing left in the archive."""
    (data / "recovery.signal").touch()
    with (data / "postgresql.auto.conf").open("a") as configuration:
        configuration.write("restore_command = 'false'\n")


async def not_settled(platform: Platform) -> str | None:
    """What the API's readiness tells of the identity, once somebody has seen that it is another."""
    async with looking(platform) as connection:
        if not await connection.fetchval("SELECT NOT settled FROM platform_identity"):
            return None
    answer = await platform.client.get("/readyz")
    return next(str(check["detail"]) for check in answer.json()["checks"] if check["name"] == "identity")
