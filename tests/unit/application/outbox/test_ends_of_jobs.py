"""What is told of jobs that ended, how long a claim lasts, and how often suspects are looked for."""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.application.outbox import run_due_jobs
from messaging.application.outbox.run_due_jobs import AT_ONCE
from messaging.application.ports.outbox import ClaimedJob, Done, Failed, Hopeless, JobResult, Wait
from messaging.domain.jobs.retry import ALONE_AFTER
from messaging.domain.shared.ids import TenantId
from tests.unit.application.outbox.test_run_jobs import MINUTE, PROMPT, SECOND, World

MARGIN = timedelta(seconds=30)


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str | None]]:
    own = (record for record in caplog.records if record.name == run_due_jobs.__name__)
    return [(record.getMessage(), record.levelno, vars(record).get("code")) for record in own]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (Done(), []),
        (Wait(SECOND), []),
        (Hopeless(code="no", reason="r"), [("job.dead", logging.ERROR, "no")]),
        (Failed(code="busy", reason="r"), [("job.failed_once", logging.INFO, "busy")]),
    ],
)
async def test_a_job_that_failed_or_died_leaves_a_line(
    result: JobResult, line: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    world = World()
    world.result = result
    await world.enqueue(1)

    await world.finish()

    assert told(caplog) == line


@pytest.mark.parametrize(("result", "warns"), [(Wait(SECOND), True), (Done(), False)])
async def test_an_end_that_came_after_the_lease_is_told_unless_the_work_is_done(
    result: JobResult, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.result = result
    await world.enqueue(1)

    async def somebody_else_takes_it(claimed: ClaimedJob) -> None:
        world.row.epoch += 1

    world.meanwhile = somebody_else_takes_it
    await world.run(PROMPT)
    await world.idle()

    assert [message for message, _, _ in told(caplog)] == (["job.lease_lost"] if warns else [])
    assert world.row.status == "claimed"


async def test_an_end_that_holds_is_not_told_as_lost(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.result = Wait(SECOND)
    await world.enqueue(1)

    await world.run(PROMPT)
    await world.idle()

    assert told(caplog) == []


async def test_jobs_that_follow_another_count_as_dealt_with() -> None:
    world = World()
    await world.enqueue(1, 2, 3, order_key="one after the other")

    assert await world.run(PROMPT) == 3
    for _ in range(3):
        await world.finish()

    assert world.began == [1, 2, 3]


async def test_a_claim_lasts_for_the_run_and_its_settling() -> None:
    world = World(timeout=2 * MINUTE)
    world.may_end.clear()
    await world.enqueue(1)

    await world.run(PROMPT)

    assert world.row.due_at == world.store.now + 2 * MINUTE + MARGIN
    world.may_end.set()
    await world.idle()


async def test_the_claim_of_a_suspect_lasts_for_whatever_it_has_to_wait_for_too() -> None:
    world = World(timeout=2 * MINUTE)
    await world.enqueue(1)
    world.row.unfinished = ALONE_AFTER
    leases: list[timedelta] = []

    async def look(claimed: ClaimedJob) -> None:
        leases.append(world.row.due_at - world.store.now)

    world.meanwhile = look

    assert await world.run(PROMPT) == 1
    # The longest run of its lane, which is its own here.
    assert leases == [2 * MINUTE + MARGIN + 2 * MINUTE]


async def test_suspects_are_looked_for_every_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [0.0]
    monkeypatch.setattr(run_due_jobs, "monotonic", lambda: seconds[0])
    world = World()
    found: list[int] = []
    for now in (0.0, 4.9, 5.0):
        seconds[0] = now
        await world.enqueue(int(now * 10) + 1)
        [new] = [row for row in world.store.rows.values() if not row.unfinished]
        new.unfinished = ALONE_AFTER
        found.append(await world.run(PROMPT))

    assert found == [1, 0, 1]


async def test_suspects_are_not_looked_for_while_the_lane_is_full() -> None:
    world = World()
    world.may_end.clear()
    for tenant in range(AT_ONCE[PROMPT]):
        await world.enqueue(tenant + 1, tenant_id=TenantId(UUID(int=tenant + 1)))
    await world.enqueue(1_000)
    [suspect] = [row for row in world.store.rows.values() if row.seq == AT_ONCE[PROMPT]]
    suspect.unfinished = ALONE_AFTER

    assert await world.run(PROMPT) == AT_ONCE[PROMPT]
    assert suspect.status == "waiting"
    world.may_end.set()
    await world.finish()
