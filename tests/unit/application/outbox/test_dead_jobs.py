"""What administrators decide about dead jobs, on jobs in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.application import jobs
from messaging.application.outbox import dead_jobs
from messaging.application.outbox.dead_jobs import (
    DiscardDeadJob,
    ListDeadJobs,
    PurgeDeadJobs,
    RetryDeadJob,
    SummarizeJobs,
)
from messaging.application.ports.outbox import NewJob
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import JobId, Prefix, TemplateId, typeid
from messaging.domain.shared.mode import Mode
from tests.builders import NOON, TEMPLATE, TENANT
from tests.fakes.job_records import InMemoryJobRecords
from tests.fakes.outbox import InMemoryJobs, Row

HOUR = timedelta(hours=1)


class World:
    """Three dead jobs that would do the same; the first died at noon, each later one an hour later."""

    def __init__(self) -> None:
        self.store = InMemoryJobs()
        self.now = NOON

    async def fill(self) -> "World":
        job = jobs.ReleaseHeld(template_id=TEMPLATE)
        for number in range(3):
            async with self.store.open_uow() as uow:
                await uow.outbox.enqueue([NewJob(tenant_id=TENANT, mode=Mode.LIVE, job=job, unique_key="one")])
                await uow.commit()
            for row in self.store.rows.values():
                if row.status != "dead":
                    row.status, row.died_at, row.attempts = "dead", NOON + number * HOUR, 4
                    row.error_code, row.error_reason = "busy", "Not now."
        return self

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Any]:
        async with self.store.open_uow() as uow:
            uow.job_records = InMemoryJobRecords(uow)  # type: ignore[attr-defined]
            yield uow

    @property
    def rows(self) -> list[Row]:
        return list(self.store.rows.values())

    def ids(self) -> list[JobId]:
        return [row.id for row in self.rows]


async def refusal(attempt: Any) -> str:
    with pytest.raises(DomainError) as refused:
        await attempt
    return refused.value.code


async def test_dead_jobs_are_shown_in_pages_with_public_ids() -> None:
    world = await World().fill()
    listed = ListDeadJobs(open_uow=world.open)

    first = await listed(before=None, limit=2)
    rest = await listed(before=first.next_after, limit=2, kind="release_held")

    assert (len(first.items), len(rest.items), rest.next_after) == (2, 1, None)
    [shown] = rest.items
    assert shown.about == {"template_id": typeid(Prefix.TEMPLATE, TemplateId(TEMPLATE))}
    assert (shown.attempts, shown.error) == (4, dead_jobs.JobFailureView(code="busy", reason="Not now."))
    assert (await listed(before=None, limit=9, kind="other")).items == ()


async def test_a_job_is_retried_unless_its_work_is_asked_for_already() -> None:
    world = await World().fill()
    retry = RetryDeadJob(open_uow=world.open)
    first, second, _ = world.ids()

    assert (await retry(first)).id == typeid(Prefix.JOB, first)

    assert [row.status for row in world.rows] == ["waiting", "dead", "dead"]
    assert await refusal(retry(second)) == "state_conflict"
    assert await refusal(retry(first)) == "not_found"
    assert await refusal(retry(JobId(UUID(int=9)))) == "not_found"
    [count] = (await SummarizeJobs(open_uow=world.open)()).kinds
    assert (count.kind, count.due, count.dead) == ("release_held", 1, 2)


async def test_a_discarded_job_is_gone() -> None:
    world = await World().fill()
    discard = DiscardDeadJob(open_uow=world.open)
    first, *others = world.ids()

    await discard(first)

    assert world.ids() == others
    assert await refusal(discard(first)) == "not_found"


@pytest.mark.parametrize(("kept", "left"), [(None, 3), (HOUR, 1), (3 * HOUR, 3), (timedelta(0), 0)])
async def test_jobs_that_died_too_long_ago_are_deleted(
    kept: timedelta | None, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_jobs, "_BITE", 1)
    world = await World().fill()
    world.store.now = NOON + 2 * HOUR

    assert await PurgeDeadJobs(open_uow=world.open, kept=kept)() == 3 - left
    assert len(world.rows) == left
