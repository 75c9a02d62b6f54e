"""The container that builds the use cases about messages."""

from typing import Any, Final

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.gather import Gatherer
from messaging.application.messages.accepting.check import CheckMessage
from messaging.application.messages.accepting.submission_limits import LimitSubmissions
from messaging.application.messages.accepting.submit import StoreDoors, SubmitMessages
from messaging.application.messages.delivering.claim import ClaimDue
from messaging.application.messages.delivering.deliver import DeliverMessages
from messaging.application.messages.delivering.mark_started import MarkStarted
from messaging.application.messages.delivering.outgoing import RenderOutgoing
from messaging.application.messages.delivering.record_outcomes import RecordOutcomes
from messaging.application.messages.delivering.recover_crashed_sends import RecoverCrashedSends
from messaging.application.messages.operating.bulk_actions import ActOnMessages
from messaging.application.messages.operating.cancel import CancelMessage
from messaging.application.messages.operating.discard import DiscardDeadLetter
from messaging.application.messages.operating.release_held import ReleaseHeld
from messaging.application.messages.operating.retry import RetryDeadLetter, RetryMessage
from messaging.application.messages.pacing.account_holds import AccountHolds
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.concurrency_limit import ConcurrencyLimit
from messaging.application.messages.pacing.fair_share import FairShare
from messaging.application.messages.pacing.health_cache import HealthCache
from messaging.application.messages.pacing.rate_limiting import RateLimiting
from messaging.application.messages.pacing.send_gate import SendGate
from messaging.application.messages.pacing.send_slots import SendSlots
from messaging.application.messages.reading.queries import (
    FindDeadLetter,
    FindMessage,
    ListDeadLetters,
    ListEvents,
    ListMessages,
)
from messaging.application.messages.reading.summarize import SummarizeMessages
from messaging.application.messages.tracking.expire_held import ExpireHeld
from messaging.application.messages.tracking.expire_unserved import ExpireUnserved
from messaging.application.messages.tracking.poll_status import PollStatus
from messaging.application.messages.tracking.reconcile import ReconcileReceipts
from messaging.application.messages.tracking.recover_failover import NoticeFailover, RecoverFailover
from messaging.application.messages.tracking.resolve_unknown import ResolveUnknown
from messaging.entrypoints.composition import terms
from messaging.entrypoints.composition.send_journal import send_journal
from messaging.entrypoints.settings.settings import Settings

_BATCHES_WAITING: Final = 64
# A transaction by itself costs as much as eight messages in it. A longer wait saves hardly more, and callers notice it.
_LINGER_SECONDS: Final = 0.004


class MessageUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    contacts: Any = DependenciesContainer()
    worker: Dependency[str] = Dependency(instance_of=str)

    submit = Singleton(
        SubmitMessages,
        doors=Singleton(
            StoreDoors,
            # Group commit: concurrent requests share a transaction.
            one=Singleton(
                Gatherer,
                adapters.submissions.provided.accept_many,
                max_batch=settings.provided.accept_batch,
                writers=settings.provided.accept_writers,
                linger=_LINGER_SECONDS,
            ),
            # A batch of a thousand messages takes a few megabytes until it is stored.
            batch=Singleton(
                Gatherer, adapters.submissions.provided.accept_many, max_batch=1, capacity=_BATCHES_WAITING, writers=4
            ),
            known=adapters.submissions.provided.known,
        ),
        limit=Singleton(
            LimitSubmissions,
            quotas=adapters.submission_limits,
            default=Singleton(terms.submission_limits, settings),
            telemetry=adapters.telemetry,
        ),
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
    health_cache = Singleton(
        HealthCache, records=adapters.health_records, clock=adapters.clock, telemetry=adapters.telemetry
    )
    expire_unserved = Singleton(ExpireUnserved, open_uow=adapters.open_system_uow, workers=adapters.workers)
    account_holds = Singleton(AccountHolds, health=health_cache)
    breakers = Singleton(CircuitBreakers, health=health_cache, snapshots=adapters.snapshots)
    release_held = Singleton(ReleaseHeld, open_uow=adapters.open_system_uow)
    expire_held = Singleton(
        ExpireHeld, open_uow=adapters.open_system_uow, breakers=breakers, grace=Singleton(terms.grace, settings)
    )
    delivery_terms = Singleton(terms.delivery, settings, worker)
    rate_limiting = Singleton(
        RateLimiting,
        snapshots=adapters.snapshots,
        limits=adapters.limits,
        terms=Singleton(terms.provider_limits, settings),
        telemetry=adapters.telemetry,
    )
    gate = Singleton(
        SendGate,
        breakers=breakers,
        rate_limiting=rate_limiting,
        concurrency=Singleton(
            ConcurrencyLimit,
            concurrency=settings.provided.delivery_concurrency,
            batch=settings.provided.delivery_batch,
        ),
        slots=Singleton(SendSlots, more=rate_limiting.provided.again, telemetry=adapters.telemetry),
    )
    record_outcomes = Singleton(
        RecordOutcomes,
        open_uow=adapters.open_system_uow,
        optimistic_writes=adapters.optimistic_writes,
        reconcile=reconcile,
        terms=delivery_terms,
        telemetry=adapters.telemetry,
    )
    journal = Singleton(send_journal, settings)
    deliver = Singleton(
        DeliverMessages,
        claim=Singleton(
            ClaimDue,
            open_uow=adapters.open_system_uow,
            fair_share=Singleton(FairShare, at_once=gate.provided.at_once),
            gate=gate,
            terms=delivery_terms,
        ),
        gate=gate,
        render=Singleton(
            RenderOutgoing, snapshots=adapters.snapshots, key_ring=adapters.key_ring, gateways=adapters.gateways
        ),
        mark_started=Singleton(
            MarkStarted,
            open_uow=adapters.open_system_uow,
            optimistic_writes=adapters.optimistic_writes,
            terms=delivery_terms,
        ),
        record=record_outcomes,
        journal=journal,
        learn_alias=contacts.learn_aliases,
    )
    recover_crashed_sends = Singleton(RecoverCrashedSends, journal=journal, record=record_outcomes)
    resolve_unknown = Singleton(
        ResolveUnknown,
        open_uow=adapters.open_system_uow,
        telemetry=adapters.telemetry,
        grace=Singleton(terms.grace, settings),
        rule=Singleton(terms.negative_evidence_rule, settings),
    )
    poll_status = Singleton(
        PollStatus,
        open_uow=adapters.open_system_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        gateways=adapters.gateways,
        telemetry=adapters.telemetry,
        terms=Singleton(terms.checks, settings),
    )
    notice_failover = Singleton(NoticeFailover, open_uow=adapters.open_system_uow)
    recover_failover = Singleton(
        RecoverFailover,
        open_uow=adapters.open_system_uow,
        notice=notice_failover,
        grace=Singleton(terms.grace, settings),
    )
