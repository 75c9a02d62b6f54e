"""The registry of jobs: each kind with its handler, its limit of time and its policy for failures."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any, TypeVar

from msgspec import Struct

from messaging.application.jobs import KINDS, JobLane, kind_of
from messaging.application.ports.outbox import ClaimedJob, JobResult
from messaging.domain.jobs.retry import JobPolicy

J = TypeVar("J")
Handle = Callable[[J, ClaimedJob], Awaitable[JobResult]]


class Registration(Struct, frozen=True, kw_only=True):
    """`timeout` is the longest a run may take; a run that takes longer is cancelled and has failed."""

    kind: str
    lane: JobLane
    handle: Handle[Any]
    policy: JobPolicy
    timeout: timedelta


def register(
    job: type[J],
    handle: Handle[J],
    *,
    policy: JobPolicy = JobPolicy(),  # noqa: B008 - frozen
    timeout: timedelta = timedelta(seconds=30),
) -> Registration:
    """One kind of job. Its handler may be called twice for one request, and must then have the effect of one call."""
    kind: Any = job
    return Registration(kind=kind_of(kind), lane=kind.lane, handle=handle, policy=policy, timeout=timeout)


class JobRegistry:
    """Knows the handler of every kind; building it without one, or with two for a kind, is refused."""

    def __init__(self, *registrations: Registration) -> None:
        self._by_kind: Mapping[str, Registration] = {it.kind: it for it in registrations}
        missing = sorted(KINDS.keys() - self._by_kind.keys())
        twice = sorted({it.kind for it in registrations if it is not self._by_kind[it.kind]})
        if missing or twice:
            raise ValueError(f"jobs without a handler: {missing}; with more than one: {twice}")

    def of(self, kind: str) -> Registration:
        return self._by_kind[kind]

    def kinds_of(self, lane: JobLane) -> Sequence[Registration]:
        return [it for it in self._by_kind.values() if it.lane is lane]
