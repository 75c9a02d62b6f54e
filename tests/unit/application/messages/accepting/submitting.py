"""One process that accepts, on fakes: submissions, limits, conversations and snapshots in memory."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any
from uuid import UUID

import msgspec

from messaging.application.messages.accepting.assess import Submission, Unreadable
from messaging.application.messages.accepting.submission_limits import LimitSubmissions
from messaging.application.messages.accepting.submit import IdempotencyRequest, Reply, StoreDoors, SubmitMessages
from messaging.application.ports.conversations import NewInbound
from messaging.application.ports.submissions import Acceptance, AcceptOutcome
from messaging.application.ports.unit_of_work import ConversationRoles
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.tenants.limits import SubmissionLimits
from messaging.domain.tenants.tenant import Principal
from tests.builders import ANA, a_principal, a_snapshot, a_template_message
from tests.fakes.contact_aliases import InMemoryContactAliases
from tests.fakes.conversations import InMemoryConversations
from tests.fakes.provider_events import InMemoryProviderEvents
from tests.fakes.snapshots import InMemorySnapshots
from tests.fakes.submission_limits import InMemorySubmissionLimits
from tests.fakes.submissions import InMemorySubmissions
from tests.unit.application.webhooks.doubles import DATA_KEYS, KEY_RING, Counts, FixedClock


class Told:
    """What people and providers told one tenant."""

    def __init__(self, tenant_id: TenantId, inbound: Sequence[NewInbound]) -> None:
        self.conversations = InMemoryConversations(tenant_id)
        self.conversations.inbound = list(inbound)
        self.contact_aliases = InMemoryContactAliases(tenant_id, Mode.LIVE)
        self.provider_events = InMemoryProviderEvents({})


class Submitting:
    """`committed` holds every acceptance as it was handed to the store; those of batches have their own way."""

    def __init__(self, *, limits: SubmissionLimits | None = None, **facts: Any) -> None:
        self.submissions = InMemorySubmissions()
        self.counts = Counts()
        self.inbound: list[NewInbound] = []
        self.opened: list[tuple[TenantId, Reach]] = []
        self.committed: list[Acceptance] = []
        self.batches: list[Acceptance] = []
        self.snapshots = InMemorySnapshots(a_snapshot(data_keys=DATA_KEYS, **facts))
        numbers = count(1)
        self.submit = SubmitMessages(
            doors=StoreDoors(one=self._accept, batch=self._accept_batch, known=self.submissions.known),
            limit=LimitSubmissions(
                quotas=InMemorySubmissionLimits(),
                default=limits or SubmissionLimits(),
                telemetry=self.counts,
            ),
            snapshots=self.snapshots,
            key_ring=KEY_RING,
            open_uow=self._open_uow,
            clock=FixedClock(),
            new_id=lambda: UUID(int=next(numbers)),
            telemetry=self.counts,
        )

    async def one(
        self, submission: Submission | Unreadable, *, key: str | None = None, principal: Principal | None = None
    ) -> Reply:
        request = None if key is None else a_request(key, submission)
        return await self.submit.one(principal or a_principal(), submission, key=request)

    async def many(self, *submissions: Submission | Unreadable, key: str | None = None) -> Reply:
        request = None if key is None else a_request(key, *submissions)
        return await self.submit.many(a_principal(), submissions, key=request)

    async def _accept(self, acceptance: Acceptance) -> AcceptOutcome:
        self.committed.append(acceptance)
        [outcome] = await self.submissions.accept_many([acceptance])
        return outcome

    async def _accept_batch(self, acceptance: Acceptance) -> AcceptOutcome:
        self.batches.append(acceptance)
        return await self._accept(acceptance)

    @asynccontextmanager
    async def _open_uow(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[ConversationRoles]:
        self.opened.append((tenant_id, mode))
        yield Told(tenant_id, self.inbound)


def a_submission(**changes: Any) -> Submission:
    """The template message that `a_template()` allows, to Ana."""
    fields: dict[str, Any] = {"to": ANA.value, "channel": Channel.WHATSAPP, "content": a_template_message()}
    return Submission(**(fields | changes))


def a_request(key: str, *submissions: Submission | Unreadable) -> IdempotencyRequest:
    """Of a request with this very body."""
    return IdempotencyRequest(key=key, digest=hashlib.sha256(repr(submissions).encode()).digest())


def view(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(reply.body)
    return found
