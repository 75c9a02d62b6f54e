"""Releases the messages that a template held, once it may be sent again."""

from datetime import timedelta
from typing import Final

from messaging.application import jobs
from messaging.application.ports.outbox import ClaimedJob, Done, JobResult, Repeat
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork

_BATCH: Final = 500


class ReleaseHeld:
    """The handler of `jobs.ReleaseHeld`: one batch of messages at a time, so that no run takes long."""

    def __init__(self, *, open_uow: OpenSystemUnitOfWork) -> None:
        self._open_uow = open_uow

    async def __call__(self, job: jobs.ReleaseHeld, claimed: ClaimedJob) -> JobResult:
        """Raises StoreUnavailable."""
        async with self._open_uow() as uow:
            released = await uow.held_messages.release_some(claimed.tenant_id, job.template_id, _BATCH)
            await uow.commit()
        return Done() if released < _BATCH else Repeat(timedelta(0))
