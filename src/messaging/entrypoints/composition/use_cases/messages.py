"""What are the use cases about messages made of?"""

from typing import Any, Final

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.gather import Gatherer
from messaging.application.messages.account_holds import AccountHolds
from messaging.application.messages.act import ActOnMessages
from messaging.application.messages.cancel import CancelMessage
from messaging.application.messages.check import CheckMessage
from messaging.application.messages.check_silent import CheckSilent
from messaging.application.messages.deliver import DeliverMessages
from messaging.application.messages.discard import DiscardDeadLetter
from messaging.application.messages.expire_unserved import ExpireUnserved
from messaging.application.messages.guard_senders import GuardSenders
from messaging.application.messages.known_health import KnownHealth
from messaging.application.messages.limit import LimitSubmissions
from messaging.application.messages.outgoing import RenderOutgoing
from messaging.application.messages.quarantine import NoticeFailover, QuarantineAfterFailover
from messaging.application.messages.queries import (
    FindDeadLetter,
    FindMessage,
    ListDeadLetters,
    ListEvents,
    ListMessages,
)
from messaging.application.messages.reconcile import ReconcileReceipts
from messaging.application.messages.release_held import ReleaseHeld
from messaging.application.messages.retry import RetryDeadLetter, RetryMessage
from messaging.application.messages.salvage import SalvageFlights
from messaging.application.messages.settle_held import SettleHeld
from messaging.application.messages.stop_waiting import StopWaiting
from messaging.application.messages.submit import SubmitMessages
from messaging.application.messages.summarize import SummarizeMessages
from messaging.application.messages.write_down import WriteOutcomes
from messaging.entrypoints.composition import terms
from messaging.entrypoints.composition.flights import flight_log, wrecks
from messaging.entrypoints.settings import Settings

_BATCHES_WAITING: Final = 64
# A transaction costs as much by itself as eight messages in it. Longer brings hardly more, and is felt.
_LINGER_SECONDS: Final = 0.004


class MessageUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    contacts: Any = DependenciesContainer()
    worker: Dependency[str] = Dependency(instance_of=str)

    submit = Singleton(
        SubmitMessages,
        # The group-commit door: concurrent requests share a transaction.
        accept=Singleton(
            Gatherer,
            adapters.submissions.provided.accept_many,
            max_batch=settings.provided.accept_batch,
            writers=settings.provided.accept_writers,
            linger=_LINGER_SECONDS,
        ),
        # A thousand messages take a few megabytes until they are stored.
        accept_batch=Singleton(
            Gatherer, adapters.submissions.provided.accept_many, max_batch=1, capacity=_BATCHES_WAITING, writers=4
        ),
        limit=Singleton(
            LimitSubmissions,
            quotas=adapters.submission_limits,
            snapshots=adapters.snapshots,
            default=Singleton(terms.submission_limits, settings),
            telemetry=adapters.telemetry,
        ),
        submissions=adapters.submissions,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        open_uow=adapters.open_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
        telemetry=adapters.telemetry,
    )
    check = Singleton(
        CheckMessage,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        open_uow=adapters.open_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
    )
    find = Singleton(FindMessage, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring)
    list = Singleton(ListMessages, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring)
    summarize = Singleton(SummarizeMessages, open_uow=adapters.open_uow, clock=adapters.clock)
    list_events = Singleton(
        ListEvents, open_uow=adapters.open_uow, snapshots=adapters.snapshots, key_ring=adapters.key_ring
    )
    cancel = Singleton(CancelMessage, open_uow=adapters.open_uow)
    retry = Singleton(RetryMessage, open_uow=adapters.open_uow)
    find_dead_letter = Singleton(FindDeadLetter, open_uow=adapters.open_uow)
    list_dead_letters = Singleton(ListDeadLetters, open_uow=adapters.open_uow)
    retry_dead_letter = Singleton(RetryDeadLetter, open_uow=adapters.open_uow, retry_message=retry)
    discard_dead_letter = Singleton(DiscardDeadLetter, open_uow=adapters.open_uow)
    act = Singleton(ActOnMessages, open_uow=adapters.open_uow)

    reconcile = Singleton(
        ReconcileReceipts,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        telemetry=adapters.telemetry,
        check_every=Singleton(terms.check_every, settings),
    )
    known_health = Singleton(
        KnownHealth, records=adapters.health_records, clock=adapters.clock, telemetry=adapters.telemetry
    )
    expire_unserved = Singleton(ExpireUnserved, open_uow=adapters.open_system_uow, workers=adapters.workers)
    account_holds = Singleton(AccountHolds, health=known_health)
    guard = Singleton(GuardSenders, health=known_health, snapshots=adapters.snapshots)
    release_held = Singleton(ReleaseHeld, open_uow=adapters.open_system_uow)
    settle_held = Singleton(
        SettleHeld, open_uow=adapters.open_system_uow, guard=guard, grace=Singleton(terms.grace, settings)
    )
    deliver = Singleton(
        DeliverMessages,
        open_uow=adapters.open_system_uow,
        lock_free=adapters.lock_free,
        snapshots=adapters.snapshots,
        render=Singleton(RenderOutgoing, snapshots=adapters.snapshots, key_ring=adapters.key_ring),
        gateways=adapters.gateways,
        limits=adapters.limits,
        guard=guard,
        reconcile=reconcile,
        telemetry=adapters.telemetry,
        terms=Singleton(terms.delivery, settings, worker),
        limit_terms=Singleton(terms.provider_limits, settings),
        flights=Singleton(flight_log, settings),
        learn_alias=contacts.learn_aliases,
    )
    salvage = Singleton(
        SalvageFlights,
        wrecks=Singleton(wrecks, settings),
        write=Singleton(
            WriteOutcomes,
            open_uow=adapters.open_system_uow,
            lock_free=adapters.lock_free,
            reconcile=reconcile,
            terms=Singleton(terms.delivery, settings, worker),
        ),
    )
    stop_waiting = Singleton(
        StopWaiting,
        open_uow=adapters.open_system_uow,
        telemetry=adapters.telemetry,
        grace=Singleton(terms.grace, settings),
        rule=Singleton(terms.witness_rule, settings),
    )
    check_silent = Singleton(
        CheckSilent,
        open_uow=adapters.open_system_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        gateways=adapters.gateways,
        telemetry=adapters.telemetry,
        terms=Singleton(terms.checks, settings),
    )
    notice_failover = Singleton(NoticeFailover, open_uow=adapters.open_system_uow)
    quarantine = Singleton(
        QuarantineAfterFailover,
        open_uow=adapters.open_system_uow,
        notice=notice_failover,
        grace=Singleton(terms.grace, settings),
    )
