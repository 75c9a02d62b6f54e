"""The container that builds what follows a message after it was sent: receipts, silence, failover."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.messages.tracking.expire_held import ExpireHeld
from messaging.application.messages.tracking.expire_unserved import ExpireUnserved
from messaging.application.messages.tracking.keep_traces import KeepTraces
from messaging.application.messages.tracking.poll_status import PollStatus
from messaging.application.messages.tracking.reconcile import ReconcileReceipts
from messaging.application.messages.tracking.recover_failover import NoticeFailover, RecoverFailover
from messaging.entrypoints.composition import terms
from messaging.entrypoints.settings.settings import Settings


class TrackingUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    pacing: Any = DependenciesContainer()

    reconcile = Singleton(
        ReconcileReceipts,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        telemetry=adapters.telemetry,
        capabilities=adapters.capabilities,
        check_every=Singleton(terms.check_every, settings),
    )
    poll_status = Singleton(
        PollStatus,
        open_uow=adapters.open_system_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        credentials=adapters.credentials,
        lookups=adapters.lookups,
        telemetry=adapters.telemetry,
        capabilities=adapters.capabilities,
        terms=Singleton(terms.checks, settings),
    )
    expire_unserved = Singleton(ExpireUnserved, open_uow=adapters.open_system_uow, workers=adapters.workers)
    expire_held = Singleton(
        ExpireHeld,
        open_uow=adapters.open_system_uow,
        breakers=pacing.breakers,
        capabilities=adapters.capabilities,
        grace=Singleton(terms.grace, settings),
    )

    keep_traces = Singleton(
        KeepTraces,
        noted=adapters.noted_ends,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        telemetry=adapters.telemetry,
    )

    notice_failover = Singleton(NoticeFailover, open_uow=adapters.open_system_uow)
    recover_failover = Singleton(
        RecoverFailover,
        open_uow=adapters.open_system_uow,
        notice=notice_failover,
        capabilities=adapters.capabilities,
        grace=Singleton(terms.grace, settings),
    )
