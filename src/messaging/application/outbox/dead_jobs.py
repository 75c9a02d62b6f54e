"""What the platform's administrators see of jobs, and their decisions about dead ones."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from messaging.application.ports.job_records import DeadJob, JobCount, JobRecords
from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import JobId, KeyId, Prefix, typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.refusals import not_found

log = logging.getLogger(__name__)

# Rows deleted per transaction.
_BITE: Final = 5_000
# The public spelling of the ids that jobs are about.
_PREFIXES: Final[Mapping[str, Prefix]] = {
    "account_id": Prefix.ACCOUNT,
    "template_id": Prefix.TEMPLATE,
    "message_id": Prefix.MESSAGE,
    "sender_id": Prefix.SENDER,
}


class JobFailureView(Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    code: str
    reason: str


class DeadJobView(Struct, frozen=True, kw_only=True):
    """A job that is not run again by itself."""

    id: str
    tenant_id: str
    mode: Mode
    kind: str
    about: dict[str, str]
    wanted_at: datetime
    died_at: datetime
    attempts: int
    error: JobFailureView | None

    @classmethod
    def of(cls, job: DeadJob) -> "DeadJobView":
        return cls(
            id=typeid(Prefix.JOB, job.id),
            tenant_id=typeid(Prefix.TENANT, job.tenant_id),
            mode=job.mode,
            kind=job.kind,
            about=_about(job.payload),
            wanted_at=job.wanted_at,
            died_at=job.died_at,
            attempts=job.attempts,
            error=None if job.code is None else JobFailureView(code=job.code, reason=job.reason or ""),
        )


class JobCountView(Struct, frozen=True, kw_only=True):
    """How many jobs of a kind there are."""

    kind: str
    due: int
    running: int
    waiting: int
    dead: int
    oldest_due_at: datetime | None

    @classmethod
    def of(cls, count: JobCount) -> "JobCountView":
        return cls(
            kind=count.kind,
            due=count.due,
            running=count.running,
            waiting=count.waiting,
            dead=count.dead,
            oldest_due_at=count.oldest_due_at,
        )


class JobSummaryView(Struct, frozen=True, kw_only=True):
    """All jobs that are not done, by kind."""

    kinds: tuple[JobCountView, ...]


class SummarizeJobs:
    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self) -> JobSummaryView:
        async with self._open() as uow:
            counts = await uow.job_records.counts()
        return JobSummaryView(kinds=tuple(map(JobCountView.of, counts)))


class ListDeadJobs:
    """Those that were asked for last come first."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, *, before: UUID | None, limit: int, kind: str | None = None) -> Page[DeadJobView, UUID]:
        async with self._open() as uow:
            place = None if before is None else JobId(before)
            rows = await uow.job_records.dead(before=place, limit=limit + 1, kind=kind)
        return page_of(rows, limit, lambda job: job.id, DeadJobView.of)


class RetryDeadJob:
    """Lets a dead job run again, at once and as if it were new."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, id: JobId, *, by: KeyId | None = None) -> DeadJobView:
        """The job as it was. Raises DomainError: `not_found`, `state_conflict`."""
        async with self._open() as uow:
            job = await _dead(uow.job_records, id)
            if not await uow.job_records.revive(id):
                raise DomainError("state_conflict", "The same work is asked for again already. Discard this job.")
            await uow.commit()
        _tell("job.revived", job, by)
        return DeadJobView.of(job)


class DiscardDeadJob:
    """Deletes a dead job: its work is not wanted any more, or was done by hand."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, id: JobId, *, by: KeyId | None = None) -> DeadJobView:
        """The job as it was. Raises DomainError: `not_found`."""
        async with self._open() as uow:
            job = await _dead(uow.job_records, id)
            await uow.job_records.discard(id)
            await uow.commit()
        _tell("job.discarded", job, by)
        return DeadJobView.of(job)


class PurgeDeadJobs:
    """Deletes dead jobs that nobody decided about for as long as messages are `kept`; None: for ever."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork, kept: timedelta | None) -> None:
        self._open = open_uow
        self._kept = kept

    async def __call__(self) -> int:
        """How many were deleted. Raises StoreUnavailable."""
        total = 0
        while self._kept is not None:
            async with self._open() as uow:
                purged = await uow.job_records.purge(dead_for=self._kept, limit=_BITE)
                await uow.commit()
            total += purged
            if purged < _BITE:
                break
        return total


async def _dead(records: JobRecords, id: JobId) -> DeadJob:
    job = await records.find(id)
    if job is None:
        raise not_found()
    return job


def _about(payload: str) -> dict[str, str]:
    """The job's fields as people know them; the kind has a field of its own."""
    fields = msgspec.json.decode(payload)
    return {name: _public(name, value) for name, value in fields.items() if name != "type"}


def _public(name: str, value: object) -> str:
    text = str(value)
    prefix = _PREFIXES.get(name)
    return text if prefix is None else typeid(prefix, UUID(text))


def _tell(event: str, job: DeadJob, by: KeyId | None) -> None:
    log.info(
        event,
        extra={
            "job_id": typeid(Prefix.JOB, job.id),
            "kind": job.kind,
            "tenant_id": typeid(Prefix.TENANT, job.tenant_id),
            "by": "command line" if by is None else typeid(Prefix.KEY, by),
        },
    )
