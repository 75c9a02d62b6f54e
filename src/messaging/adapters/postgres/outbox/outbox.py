"""Asks for jobs in a transaction, and settles one in the transaction of its effects."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from uuid_utils.compat import uuid7

from messaging.adapters.postgres.outbox.settling import settle
from messaging.adapters.postgres.outbox.statements import ENQUEUE, ENQUEUE_ONCE
from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.jobs import encode, kind_of
from messaging.application.ports.outbox import ClaimedJob, JobEnd, NewJob, Settled

_COLUMNS: Final = 10


class PostgresOutbox:
    """The outbox, written in one open transaction of a tenant or of the platform."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def enqueue(self, jobs: Sequence[NewJob]) -> None:
        for statement, hasten in ((ENQUEUE, True), (ENQUEUE_ONCE, False)):
            if wanted := _once_each([job for job in jobs if job.hasten is hasten]):
                await self._driver.execute(statement, *transposed([_row(job) for job in wanted], _COLUMNS))

    async def complete(self, claimed: ClaimedJob) -> bool:
        return bool(await settle(self._driver, [Settled(claimed=claimed, end=JobEnd.DONE)]))


def _once_each(jobs: Sequence[NewJob]) -> Sequence[NewJob]:
    """Jobs without a unique key, and of each key the first to be due; keyed ones sorted, so that two transactions lock
    in the same order.
    """
    first: dict[tuple[UUID, str, str, str], NewJob] = {}
    for job in jobs:
        if job.unique_key is not None:
            key = (job.tenant_id, job.mode, kind_of(job.job), job.unique_key)
            first[key] = job if key not in first or _is_sooner(job, first[key]) else first[key]
    return [job for job in jobs if job.unique_key is None] + [job for _, job in sorted(first.items())]


def _is_sooner(job: NewJob, other: NewJob) -> bool:
    """Only like can be compared: of an instant and a wait, the one asked for first stays."""
    if job.due_at is not None and other.due_at is not None:
        return job.due_at < other.due_at
    return job.due_at is None and other.due_at is None and job.due_after < other.due_after


def _row(new: NewJob) -> tuple[object, ...]:
    kind = kind_of(new.job)
    return (
        *(new.tenant_id, new.mode.value, uuid7(), kind, new.job.lane.value, new.order_key, new.unique_key),
        *(encode(new.job), new.due_at, new.due_after),
    )
