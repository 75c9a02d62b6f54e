"""The duties of a worker, in one list: what each wakeup runs, and what is done by the clock."""

from collections.abc import Awaitable, Callable, Collection
from typing import Final, Protocol
from uuid import UUID

from msgspec import Struct

from messaging.application.jobs import JobLane
from messaging.application.wakeups import DeliverLane
from messaging.entrypoints.composition.containers import Application
from messaging.entrypoints.worker.status_files import WriteStatusPage

_HOUR: Final = 3600.0

Batch = Callable[[], Awaitable[int]]


class Deliver(Protocol):
    async def __call__(self, lane: DeliverLane, /) -> int: ...

    async def drain(self) -> None: ...


class Throttling(Protocol):
    """What the send gate knows about who may not send now; see `SendGate`."""

    @property
    def throttled(self) -> Callable[[], Collection[tuple[DeliverLane, UUID]]]: ...

    @property
    def throttled_for(self) -> Callable[[DeliverLane], float]: ...


class JobsOfLanes(Protocol):
    async def __call__(self, lane: JobLane, /) -> int: ...

    async def drain(self, *, within: float) -> None: ...


class Chore(Struct, frozen=True):
    """Work that is done again `every` so many seconds after it has ended."""

    name: str
    work: Callable[[], Awaitable[object]]
    every: float


class Duties(Struct, frozen=True, kw_only=True):
    """Each batch takes what is due, at most so much, and returns how much that was; 0 means nothing is left for now."""

    deliver: Deliver
    throttling: Throttling
    process_webhooks: Batch
    rematch: Batch
    upkeep: tuple[Batch, ...]
    run_jobs: JobsOfLanes
    chores: tuple[Chore, ...]


def duties_of(has: Application) -> Duties:
    return Duties(
        deliver=has.delivering.deliver(),
        throttling=has.pacing.gate(),
        process_webhooks=has.webhooks.process(),
        rematch=has.webhooks.rematch(),
        upkeep=(has.delivering.resolve_unknown(), has.tracking.poll_status()),
        run_jobs=has.outbox.run_due_jobs(),
        chores=(
            # Claims notice a failover by themselves; this is how soon what it left in doubt is put aside.
            Chore("recover_failover", has.tracking.recover_failover(), every=1.0),
            Chore("recover_crashed_sends", has.delivering.recover_crashed_sends(), every=1.0),
            Chore("expire_held", has.tracking.expire_held(), every=2.0),
            Chore("expiry", has.tracking.expire_unserved(), every=30.0),
            Chore("connected", has.webhooks.take_in_connected(), every=30.0),
            # Whoever connects an account has its templates read; this finds accounts that nobody has read.
            Chore("template_syncs", has.templates.plan_syncs(), every=600.0),
            Chore("traces", has.tracking.keep_traces(), every=5.0),
            Chore("snapshots", has.adapters.snapshots().watch, every=0.0),
            Chore("dead_jobs", has.outbox.purge_dead(), every=_HOUR),
            *_upkeep_of_tables(has),
            *_counting(has),
            *_status_page(has),
        ),
    )


def _counting(has: Application) -> tuple[Chore, ...]:
    on = has.settings().tenant_metrics.is_on
    return (Chore("tenant_totals", has.tenant_metrics().count, every=30.0),) if on else ()


def _status_page(has: Application) -> tuple[Chore, ...]:
    settings = has.settings()
    if settings.status_directory is None:
        return ()
    write = WriteStatusPage(has.status.compose(), directory=settings.status_directory, title=settings.status_title)
    return (Chore("status_page", write, every=30.0),)


def _upkeep_of_tables(has: Application) -> tuple[Chore, ...]:
    upkeep = has.adapters.upkeep()
    return (
        Chore("partitions", upkeep.ensure_partitions, every=_HOUR),
        Chore("retention", upkeep.drop_old_partitions, every=_HOUR),
        Chore("inbound", upkeep.purge_inbound, every=_HOUR),
        Chore("provider_events", upkeep.purge_provider_events, every=_HOUR),
        Chore("idempotency", upkeep.purge_idempotency, every=_HOUR),
        Chore("former_dispatches", upkeep.adopt_former_dispatches, every=30.0),
    )
