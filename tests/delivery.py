"""The use case that delivers and its send gate, built as composition builds them, on whatever a test gives."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from messaging.application.messages.delivering.claim import ClaimDue
from messaging.application.messages.delivering.deliver import DeliverMessages
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.messages.delivering.mark_started import MarkStarted
from messaging.application.messages.delivering.outgoing import RenderOutgoing
from messaging.application.messages.delivering.record_outcomes import RecordOutcomes
from messaging.application.messages.pacing.circuit_breakers import CircuitBreakers
from messaging.application.messages.pacing.concurrency_limit import ConcurrencyLimit, SendPace
from messaging.application.messages.pacing.fair_share import FairShare
from messaging.application.messages.pacing.rate_limiting import LimitTerms, RateLimiting
from messaging.application.messages.pacing.send_gate import SendGate
from messaging.application.messages.pacing.send_slots import SendSlots
from messaging.application.messages.reading.own_content import RenderPinned
from messaging.application.messages.resolving.resolve_unknown import ResolveUnknown, UnclearTerms
from messaging.application.ports.optimistic_writes import OptimisticWrites
from messaging.application.ports.providers.sending import ProviderGateway
from messaging.application.ports.rate_limits import RateLimits
from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.send_journal import SendJournal
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from tests.fakes.installed import CAPABILITIES_OF, CREDENTIALS_OF, INSTALLED
from tests.fakes.own_templates import InMemoryOwnRoles


def a_gate(
    *,
    snapshots: Snapshots,
    limits: RateLimits,
    breakers: CircuitBreakers,
    telemetry: Telemetry,
    concurrency: int = 64,
    batch: int = 100,
    slow_after: timedelta = timedelta(seconds=2),
    limit_terms: LimitTerms | None = None,
) -> SendGate:
    rate_limiting = RateLimiting(
        snapshots=snapshots, limits=limits, telemetry=telemetry, providers=INSTALLED, terms=limit_terms
    )
    return SendGate(
        breakers=breakers,
        rate_limiting=rate_limiting,
        concurrency=ConcurrencyLimit(concurrency=concurrency, batch=batch, pace=SendPace(slow_after=slow_after)),
        slots=SendSlots(more=rate_limiting.again, telemetry=telemetry),
    )


def a_claim(
    open_uow: Any, gate: SendGate, terms: DeliveryTerms, capabilities: AccountCapabilities = CAPABILITIES_OF
) -> ClaimDue:
    return ClaimDue(
        open_uow=open_uow,
        fair_share=FairShare(at_once=gate.at_once),
        gate=gate,
        terms=terms,
        capabilities=capabilities,
    )


def deliver_messages(
    *,
    open_uow: Any,
    optimistic_writes: OptimisticWrites,
    rendered_from: Snapshots,
    key_ring: KeyRing,
    gateways: Mapping[str, ProviderGateway],
    gate: SendGate,
    record: RecordOutcomes,
    journal: SendJournal,
    learn_alias: Any,
    terms: DeliveryTerms,
    capabilities: AccountCapabilities = CAPABILITIES_OF,
) -> DeliverMessages:
    return DeliverMessages(
        claim=a_claim(open_uow, gate, terms, capabilities),
        gate=gate,
        render=RenderOutgoing(
            credentials=CREDENTIALS_OF,
            snapshots=rendered_from,
            key_ring=key_ring,
            gateways=gateways,
            render_pinned=RenderPinned(open_uow=InMemoryOwnRoles().open),
        ),
        mark_started=MarkStarted(open_uow=open_uow, optimistic_writes=optimistic_writes, terms=terms),
        record=record,
        journal=journal,
        learn_alias=learn_alias,
    )


def resolving(
    open_uow: Any,
    telemetry: Any,
    terms: UnclearTerms,
    *,
    capabilities: AccountCapabilities = CAPABILITIES_OF,
    inquire: Any = None,
    reconcile: Any = None,
) -> ResolveUnknown:
    """Looks at unclear sends; without `inquire` it can ask no provider."""
    return ResolveUnknown(
        open_uow=open_uow,
        telemetry=telemetry,
        capabilities=capabilities,
        inquire=inquire,
        reconcile=reconcile,
        terms=terms,
    )
