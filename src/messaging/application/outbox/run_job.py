"""Runs one claimed job: calls the handler of its kind and turns what comes of it into the job's end."""

import asyncio
import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic
from typing import Final, assert_never

import msgspec

from messaging.application import crashpoints
from messaging.application.jobs import decode
from messaging.application.outbox.registry import JobRegistry
from messaging.application.ports.outbox import (
    ClaimedJob,
    Done,
    Failed,
    Hopeless,
    JobEnd,
    JobResult,
    Repeat,
    Settled,
    Wait,
)
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.jobs.retry import RetryIn, Trust, after_failure, trust
from messaging.domain.shared.ids import Prefix, typeid

log = logging.getLogger(__name__)

# The wait of a job whose handler did not reach the database.
_STORE_AWAY: Final = timedelta(seconds=1)


class RunJob:
    """`chance` gives random numbers from 0 to 1, for the jitter of waits."""

    def __init__(self, *, registry: JobRegistry, chance: Callable[[], float] = random.random) -> None:
        self._registry = registry
        self._chance = chance

    async def __call__(self, claimed: ClaimedJob) -> Settled:
        """Raises nothing but CancelledError."""
        if trust(claimed.unfinished) is Trust.NOT_AT_ALL:
            reason = f"{claimed.unfinished} runs ended without a word: its workers died, or lost the database."
            return _settled(claimed, Hopeless(code="ends_its_worker", reason=reason))
        began = monotonic()
        result = await self._result(claimed)
        taken = timedelta(seconds=monotonic() - began)
        if isinstance(result, Failed):
            return self._after_failure(claimed, result, now=claimed.claimed_at + taken)
        return _settled(claimed, result)

    async def _result(self, claimed: ClaimedJob) -> JobResult:
        registered = self._registry.of(claimed.kind)
        try:
            job = decode(claimed.payload)
        except msgspec.DecodeError as error:
            return Hopeless(code="unreadable", reason=f"This release cannot read the job: {error}")
        crashpoints.reach("job.before_run")
        try:
            async with asyncio.timeout(registered.timeout.total_seconds()):
                return await registered.handle(job, claimed)
        except StoreUnavailable:
            log.warning("job.store_unavailable", extra=ids(claimed) | {"store": "postgres"})
            return Wait(_STORE_AWAY)
        except TimeoutError:
            reason = f"It took longer than {registered.timeout.total_seconds():.0f} s."
            return Failed(code="timeout", reason=reason)
        except Exception as error:
            log.exception("job.crashed", extra=ids(claimed))
            return Failed(code="internal_error", reason=f"{type(error).__name__}; see the log of the worker.")

    def _after_failure(self, claimed: ClaimedJob, failed: Failed, *, now: datetime) -> Settled:
        decision = after_failure(
            self._registry.of(claimed.kind).policy,
            attempts=claimed.attempts + 1,
            wanted_at=claimed.wanted_at,
            now=now,
            chance=self._chance(),
            at_least=failed.at_least,
        )
        if isinstance(decision, RetryIn):
            return Settled(
                claimed=claimed, end=JobEnd.RETRY, after=decision.wait, code=failed.code, reason=failed.reason
            )
        return Settled(claimed=claimed, end=JobEnd.DEAD, code=failed.code, reason=failed.reason)


def ids(claimed: ClaimedJob) -> dict[str, str]:
    """What log lines tell about a job."""
    return {
        "job_id": typeid(Prefix.JOB, claimed.id),
        "kind": claimed.kind,
        "tenant_id": typeid(Prefix.TENANT, claimed.tenant_id),
    }


def _settled(claimed: ClaimedJob, result: Done | Repeat | Wait | Hopeless) -> Settled:
    match result:
        case Done():
            return Settled(claimed=claimed, end=JobEnd.DONE)
        case Repeat(after=after):
            return Settled(claimed=claimed, end=JobEnd.REPEAT, after=after)
        case Wait(after=after):
            return Settled(claimed=claimed, end=JobEnd.WAIT, after=after)
        case Hopeless(code=code, reason=reason):
            return Settled(claimed=claimed, end=JobEnd.DEAD, code=code, reason=reason)
        case _:
            assert_never(result)
