"""The container that builds what sends messages, and finds out about sends whose outcome is unclear."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.messages.delivering.claim import ClaimDue
from messaging.application.messages.delivering.deliver import DeliverMessages
from messaging.application.messages.delivering.mark_started import MarkStarted
from messaging.application.messages.delivering.outgoing import RenderOutgoing
from messaging.application.messages.delivering.record_outcomes import RecordOutcomes
from messaging.application.messages.delivering.recover_crashed_sends import RecoverCrashedSends
from messaging.application.messages.pacing.fair_share import FairShare
from messaging.application.messages.reading.own_content import RenderPinned
from messaging.application.messages.resolving.inquire import Inquire
from messaging.application.messages.resolving.resolve_unknown import ResolveUnknown
from messaging.entrypoints.composition import terms
from messaging.entrypoints.composition.send_journal import send_journal
from messaging.entrypoints.settings.settings import Settings


class DeliveringUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    contacts: Any = DependenciesContainer()
    pacing: Any = DependenciesContainer()
    tracking: Any = DependenciesContainer()
    worker: Dependency[str] = Dependency(instance_of=str)

    delivery_terms = Singleton(terms.delivery, settings, worker)
    journal = Singleton(send_journal, settings)
    record_outcomes = Singleton(
        RecordOutcomes,
        open_uow=adapters.open_system_uow,
        optimistic_writes=adapters.optimistic_writes,
        reconcile=tracking.reconcile,
        terms=delivery_terms,
        telemetry=adapters.telemetry,
        capabilities=adapters.capabilities,
    )
    render = Singleton(
        RenderOutgoing,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        credentials=adapters.credentials,
        gateways=adapters.gateways,
        render_pinned=Singleton(RenderPinned, open_uow=adapters.open_uow),
    )
    deliver = Singleton(
        DeliverMessages,
        claim=Singleton(
            ClaimDue,
            open_uow=adapters.open_system_uow,
            fair_share=Singleton(FairShare, at_once=pacing.gate.provided.at_once),
            gate=pacing.gate,
            terms=delivery_terms,
            capabilities=adapters.capabilities,
        ),
        gate=pacing.gate,
        render=render,
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
    unclear_terms = Singleton(terms.unclear, settings)
    resolve_unknown = Singleton(
        ResolveUnknown,
        open_uow=adapters.open_system_uow,
        telemetry=adapters.telemetry,
        capabilities=adapters.capabilities,
        inquire=Singleton(
            Inquire,
            render=render,
            lookups=adapters.lookups,
            more_slots=pacing.rate_limiting.provided.again,
            within=unclear_terms.provided.sending_lease,
            per_hour=settings.provided.unclear_requests_per_hour,
        ),
        reconcile=tracking.reconcile,
        terms=unclear_terms,
    )
