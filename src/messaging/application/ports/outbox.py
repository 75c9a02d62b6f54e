"""Ports of the outbox: asking for jobs in a transaction, claiming and settling those that are due, and a look at all.

A job is a row until it is done. It runs at least once after every request for it, on whichever worker.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from messaging.application.jobs import Job, JobLane
from messaging.domain.shared.ids import JobId, TenantId
from messaging.domain.shared.mode import Mode


class NewJob(Struct, frozen=True, kw_only=True):
    """Due at `due_at`, or else `due_after` from now by the database's clock.

    Jobs of one `order_key` of a tenant run one after another, in the order in which they were asked for. Of jobs with
    the same `unique_key`, mode and kind there is one row at a time: asking again makes a waiting job due earlier if
    that is sooner and it has not failed yet, and lets a running one run once more. With `hasten=False` asking again
    changes nothing.
    """

    tenant_id: TenantId
    mode: Mode
    job: Job
    due_at: datetime | None = None
    due_after: timedelta = timedelta(0)
    order_key: str | None = None
    unique_key: str | None = None
    hasten: bool = True


class ClaimedJob(Struct, frozen=True, kw_only=True):
    """A job that one worker may run until its lease ends; `epoch` tells this claim from later ones.

    It has been wanted since `wanted_at`, has failed `attempts` times, and the last `unfinished` claims before this one
    ended without a word. Times are the database's.
    """

    id: JobId
    tenant_id: TenantId
    mode: Mode
    kind: str
    payload: str
    epoch: int
    attempts: int
    unfinished: int
    wanted_at: datetime
    claimed_at: datetime
    order_key: str | None = None


class Done(Struct, frozen=True):
    """The job has done what it was asked for."""


class Repeat(Struct, frozen=True):
    """The job is done for now and runs again `after` so long, as if it were new."""

    after: timedelta


class Wait(Struct, frozen=True):
    """The job could not be tried now; it runs `after` so long, and no failure is counted."""

    after: timedelta


class Failed(Struct, frozen=True, kw_only=True):
    """The job failed and is tried again as its kind's policy says, after `at_least` so long."""

    code: str
    reason: str
    at_least: timedelta = timedelta(0)


class Hopeless(Struct, frozen=True, kw_only=True):
    """The job failed and would fail again: only a person runs it once more."""

    code: str
    reason: str


JobResult = Done | Repeat | Wait | Failed | Hopeless


class Outbox(Protocol):
    """Jobs to be done, asked for within an open transaction of a tenant or of the platform."""

    async def enqueue(self, jobs: Sequence[NewJob]) -> None:
        """Ask for jobs; they exist once the transaction is committed, and are gone with it otherwise."""
        ...

    async def complete(self, claimed: ClaimedJob) -> bool:
        """Settle a job as done in the transaction of its own effects, so that both are committed or neither.

        False when the claim is over: another worker has the job, and this transaction must not be committed.
        """
        ...


class JobEnd(StrEnum):
    """What becomes of a claimed job."""

    DONE = "done"
    # Done for now: it runs again later, as if it were new.
    REPEAT = "repeat"
    # Not tried: it runs later, and nothing is counted.
    WAIT = "wait"
    # Failed, and tried again later.
    RETRY = "retry"
    DEAD = "dead"


class Settled(Struct, frozen=True, kw_only=True):
    """`after` is the wait for the ends that have a next run; `code` and `reason` tell the failure."""

    claimed: ClaimedJob
    end: JobEnd
    after: timedelta = timedelta(0)
    code: str | None = None
    reason: str | None = None


class Wanted(Struct, frozen=True, kw_only=True):
    """Which jobs to claim: up to `limit` of a lane, and `most_each` of a tenant, of the kinds in `leases`, each for its
    lease.

    Tenants come in turn, beginning behind `behind`; those in `busy` have as many running as they may.
    """

    lane: JobLane
    leases: Mapping[str, timedelta]
    limit: int
    most_each: int
    behind: TenantId | None = None
    busy: Collection[TenantId] = ()


class Claim(Struct, frozen=True):
    """`followers` counts due jobs that were found to follow an unsettled one of their key: they wait for it."""

    jobs: Sequence[ClaimedJob]
    followers: int = 0


class DueJobs(Protocol):
    """Due jobs of all tenants, claimed and settled within an open transaction of the platform."""

    async def lanes_due(self, lanes: Collection[JobLane]) -> AbstractSet[JobLane]:
        """Those lanes in which something is due."""
        ...

    async def claim(self, wanted: Wanted) -> Claim:
        """Due jobs with fewer unfinished claims than are suspicious; no other worker gets them meanwhile."""
        ...

    async def claim_suspect(self, lane: JobLane, leases: Mapping[str, timedelta]) -> Claim:
        """One job, at most, that was claimed suspiciously often without a word about its end."""
        ...

    async def settle(self, ends: Sequence[Settled]) -> AbstractSet[JobId]:
        """Write how claimed jobs ended; returns those whose claim still held. Nothing is written for the others."""
        ...
