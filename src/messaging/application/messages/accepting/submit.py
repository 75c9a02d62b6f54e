"""Accepts messages durably: checks and seals them, commits them with their dispatches, and only then answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import replace

from messaging.application import crashpoints
from messaging.application.messages.accepting import kept_reply
from messaging.application.messages.accepting.assess import (
    Invalid,
    Routed,
    Submission,
    Unreadable,
    assess,
    assess_rest,
    closed_window,
    compose,
    contacts_to_look_up,
    recipient_indexes,
    window_state,
)
from messaging.application.messages.accepting.spans import emit_created
from messaging.application.messages.accepting.submission_limits import LimitSubmissions
from messaging.application.messages.reading import payload
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import ModeSnapshot, Snapshots, TenantSnapshot
from messaging.application.ports.submission_limits import Balance
from messaging.application.ports.submissions import (
    Acceptance,
    AcceptOutcome,
    Fingerprint,
    IdempotencyClaim,
    KeyInFlight,
    KeyReused,
    NewMessage,
    Replayed,
    Stored,
)
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenConversations
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.domain.messages.state import public
from messaging.domain.shared.errors import MAX_LISTED, DomainError, Violation
from messaging.domain.shared.ids import MessageId, Prefix, SenderId, TenantId, typeid
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.own.definition import RENDERED_HERE
from messaging.domain.tenants.tenant import Principal

IDEMPOTENCY_KEPT_FOR = timedelta(days=7)
MAX_BATCH = 1_000
_RENDERED_AT_ONCE = 20
# Violations a batch's answer lists of one item, and of all items together beyond the first of each.
_LISTED_OF_ITEM, _LISTED_OF_BATCH = 20, 1_000


class IdempotencyRequest(Struct, frozen=True, kw_only=True):
    """`digest` is the SHA-256 of method, route and canonical body."""

    key: str
    digest: bytes


class Reply(Struct, frozen=True, kw_only=True):
    """The response, byte for byte: a replay answers with the very bytes of the first time.

    `balances` is what the caller's limits leave. `span_id` is that of the request, if its messages are traced: the
    spans of the messages are below it.
    """

    status: int
    body: bytes
    replayed: bool
    balances: tuple[Balance, ...] = ()
    span_id: str | None = None


class AcceptedView(Struct, frozen=True, kw_only=True):
    """What a caller gets back for an accepted message."""

    id: str
    status: str
    channel: str
    to: str
    reference: str | None
    created_at: datetime
    trace_id: Annotated[str | None, Meta(description="The trace that all of its way belongs to.")]
    links: dict[str, str]


class BatchItem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`status` is `accepted` (then `message` is set) or `refused` (then `errors` lists the violations)."""

    index: int
    status: str
    message: AcceptedView | None = None
    errors: tuple[Violation, ...] = ()
    omitted: Annotated[
        int, Meta(description="How many more violations the item has: an answer lists only so many of them.")
    ] = 0


class BatchView(Struct, frozen=True, kw_only=True):
    """Items in the order of the request."""

    accepted: int
    refused: int
    data: tuple[BatchItem, ...]


class _Prepared(Struct, frozen=True):
    stored: NewMessage
    view: AcceptedView


_encode = msgspec.json.Encoder().encode

Accept = Callable[[Acceptance], Awaitable[AcceptOutcome]]
Known = Callable[[TenantId, Mode, str, Fingerprint], Awaitable[Replayed | KeyReused | KeyInFlight | None]]


class StoreDoors(Struct, frozen=True, kw_only=True):
    """The ways to the store of submissions; the first two turn callers away when too many wait.

    `one` gathers single messages into groups; a batch request is a group already, and `batch` only bounds how many are
    held at once. `known` tells what a repetition would be answered, without storing anything.
    """

    one: Accept
    batch: Accept
    known: Known


class SubmitMessages:
    """Validate before queueing, commit before answering."""

    def __init__(
        self,
        *,
        doors: StoreDoors,
        limit: LimitSubmissions,
        snapshots: Snapshots,
        key_ring: KeyRing,
        open_uow: OpenConversations,
        clock: Clock,
        new_id: NewId,
        telemetry: Telemetry,
    ) -> None:
        self._doors = doors
        self._limit = limit
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._open_uow = open_uow
        self._clock = clock
        self._new_id = new_id
        self._telemetry = telemetry

    async def one(
        self, principal: Principal, submission: Submission | Unreadable, *, key: IdempotencyRequest | None = None
    ) -> Reply:
        """Raises DomainError: `validation_failed`, `rate_limited`, `idempotency_key_reused`, `request_in_flight`."""
        now = self._clock.now()
        facts = await self._facts(principal)
        cipher = self._key_ring.cipher(principal.tenant_id, facts.data_keys)
        (prepared,) = await self._prepare(principal, facts, cipher, [submission], now=now)
        memory = _Memory(key, principal.mode, cipher)
        if isinstance(prepared, Invalid):
            # What was accepted once may have become invalid since (expired, paused): a repetition is answered all the
            # same, and only a request that is new is refused.
            readable = isinstance(submission, Submission)
            if readable and (known := await self._known(principal, memory)) is not None:
                return self._reply(known, b"", (), memory)
            self._count_refused(prepared)
            await self._limit(principal, facts.tenant.limits, (), refused=1)
            raise DomainError("validation_failed", "The message was not accepted.", prepared.violations)
        balances = await self._limit(principal, facts.tenant.limits, [prepared.stored.message])
        body = _encode(prepared.view)
        outcome = await self._doors.one(_acceptance(principal, [prepared], memory.claim(body, now)))
        return replace(self._reply(outcome, body, (prepared,), memory), balances=balances)

    async def many(
        self,
        principal: Principal,
        submissions: Sequence[Submission | Unreadable],
        *,
        key: IdempotencyRequest | None = None,
    ) -> Reply:
        """Each item stands for itself; the accepted ones are committed together. Raises like `one`, but per request."""
        now = self._clock.now()
        facts = await self._facts(principal)
        cipher = self._key_ring.cipher(principal.tenant_id, facts.data_keys)
        results = await self._prepare(principal, facts, cipher, submissions, now=now)
        memory = _Memory(key, principal.mode, cipher)
        accepted = [result for result in results if isinstance(result, _Prepared)]
        for result in results:
            if isinstance(result, Invalid):
                self._count_refused(result)
        body = _encode(_batch_view(results, len(accepted)))
        refused = len(results) - len(accepted)
        messages = [item.stored.message for item in accepted]
        balances = await self._limit(principal, facts.tenant.limits, messages, refused=refused)
        if not accepted and key is None:
            return Reply(status=202, body=body, replayed=False, balances=balances)
        acceptance = _acceptance(principal, accepted, memory.claim(body, now))
        reply = self._reply(await self._doors.batch(acceptance), body, accepted, memory)
        return replace(reply, balances=balances)

    async def _known(self, principal: Principal, memory: "_Memory") -> Replayed | KeyReused | KeyInFlight | None:
        if memory.key is None:
            return None
        fingerprint = memory.fingerprint(memory.key)
        return await self._doors.known(principal.tenant_id, principal.mode, memory.key.key, fingerprint)

    async def _facts(self, principal: Principal) -> TenantSnapshot:
        facts = await self._snapshots.tenant(principal.tenant_id)
        if facts is None:
            raise DomainError("unauthorized", "The key's tenant does not exist any more.")
        return facts

    async def _prepare(
        self,
        principal: Principal,
        facts: TenantSnapshot,
        cipher: TenantCipher,
        submissions: Sequence[Submission | Unreadable],
        *,
        now: datetime,
    ) -> "list[_Prepared | Invalid]":
        visible = facts.in_mode(principal.mode)
        assessed = []
        for count, item in enumerate(submissions, start=1):
            assessed.append(_indexed(_assessed(principal, item, visible, now), cipher))
            if count % _RENDERED_AT_ONCE == 0 and isinstance(item, Submission) and item.channel in RENDERED_HERE:
                # Some templates take milliseconds: other requests get their turn in between.
                await asyncio.sleep(0)
        last_inbound = await self._last_inbound(principal, assessed)
        return [
            item if isinstance(item, Invalid) else self._finish(principal, *item, cipher, last_inbound, now=now)
            for item in assessed
        ]

    async def _last_inbound(
        self, principal: Principal, assessed: Sequence["tuple[Routed, tuple[bytes, ...]] | Invalid"]
    ) -> Mapping[tuple[SenderId, bytes], datetime]:
        contacts = contacts_to_look_up([item for item in assessed if not isinstance(item, Invalid)])
        if not contacts:
            return {}
        async with self._open_uow(principal.tenant_id, principal.mode) as uow:
            return await uow.conversations.last_inbound(principal.tenant_id, contacts)

    def _finish(
        self,
        principal: Principal,
        routed: Routed,
        indexes: tuple[bytes, ...],
        cipher: TenantCipher,
        last_inbound: Mapping[tuple[SenderId, bytes], datetime],
        *,
        now: datetime,
    ) -> "_Prepared | Invalid":
        if window_state(routed, indexes, last_inbound, now=now) == "closed":
            return closed_window(routed)
        message = compose(principal, routed, id=MessageId(self._new_id()), now=now)
        packed = payload.encode(
            payload.Payload(to=message.recipient, content=message.content, metadata=message.metadata, pin=message.pin)
        )
        id_ = typeid(Prefix.MESSAGE, message.id)
        sealed = cipher.seal(payload.context_of(id_), packed)
        view = AcceptedView(
            id=id_,
            status=public(message.state),
            channel=message.channel,
            to=message.recipient.value,
            reference=message.reference,
            created_at=message.created_at,
            trace_id=message.trace_id,
            links={"self": f"/v1/messages/{id_}", "events": f"/v1/messages/{id_}/events"},
        )
        return _Prepared(NewMessage(message=message, sealed=sealed, recipient_index=indexes[0]), view)

    def _reply(self, outcome: AcceptOutcome, body: bytes, prepared: Sequence[_Prepared], memory: "_Memory") -> Reply:
        crashpoints.reach("accept.before_reply")
        match outcome:
            case Stored():
                for (channel, priority), count in _by_lane(prepared).items():
                    self._telemetry.count("messages_accepted", count, channel=channel, priority=priority)
                span_id = None
                if prepared and self._telemetry.traces(prepared[0].stored.message.trace_id):
                    messages = [item.stored.message for item in prepared]
                    span_id = emit_created(self._telemetry, messages, now=self._clock.now())
                return Reply(status=202, body=body, replayed=False, span_id=span_id)
            case Replayed(status=status, body=first):
                return Reply(status=status, body=memory.recall(first), replayed=True)
            case KeyReused():
                raise DomainError(
                    "idempotency_key_reused",
                    "This Idempotency-Key was used with another request. Use a new key for a new request.",
                )
            case KeyInFlight():
                raise DomainError(
                    "request_in_flight",
                    "The first request with this Idempotency-Key has not finished. Ask again in a moment.",
                )

    def _count_refused(self, invalid: Invalid) -> None:
        for violation in invalid.violations:
            self._telemetry.count("messages_refused", code=violation.code)


def _assessed(
    principal: Principal, item: Submission | Unreadable, facts: ModeSnapshot, now: datetime
) -> Routed | Invalid:
    if isinstance(item, Unreadable):
        found: Routed | Invalid = assess_rest(principal, item, facts, now=now)
    else:
        found = assess(principal, item, facts, now=now)
    # Of the many that a hostile item has, no more are held than could ever be listed.
    return found.with_at_most(MAX_LISTED) if isinstance(found, Invalid) else found


def _indexed(result: Routed | Invalid, cipher: TenantCipher) -> tuple[Routed, tuple[bytes, ...]] | Invalid:
    return result if isinstance(result, Invalid) else (result, recipient_indexes(result, cipher))


class _Memory:
    """What is kept to answer a repetition with: sealed, because the answer names the recipient."""

    def __init__(self, key: IdempotencyRequest | None, mode: Mode, cipher: TenantCipher) -> None:
        self.key = key
        self._mode = mode
        self._cipher = cipher

    def fingerprint(self, key: IdempotencyRequest) -> Fingerprint:
        return Fingerprint(self._cipher.fingerprint(key.digest), key.digest)

    def claim(self, body: bytes, now: datetime) -> IdempotencyClaim | None:
        if self.key is None:
            return None
        return IdempotencyClaim(
            key=self.key.key,
            fingerprint=self.fingerprint(self.key),
            status=202,
            body=self._cipher.seal(self._context(self.key), kept_reply.pack(body)),
            expires_at=now + IDEMPOTENCY_KEPT_FOR,
        )

    def recall(self, sealed: bytes) -> bytes:
        assert self.key is not None
        return kept_reply.unpack(self._cipher.open(self._context(self.key), sealed))

    def _context(self, key: IdempotencyRequest) -> str:
        return f"idempotency_keys.body:{'test ' if self._mode is Mode.TEST else ''}{key.key}"


def _acceptance(principal: Principal, prepared: Sequence[_Prepared], claim: IdempotencyClaim | None) -> Acceptance:
    messages = tuple(item.stored for item in prepared)
    return Acceptance(tenant_id=principal.tenant_id, mode=principal.mode, messages=messages, idempotency=claim)


def _by_lane(prepared: Sequence[_Prepared]) -> Mapping[tuple[Channel, Priority], int]:
    """How many go where: counted here, because a counter that many look at is slower to raise."""
    counts: dict[tuple[Channel, Priority], int] = {}
    for item in prepared:
        lane = item.stored.message.channel, item.stored.message.priority
        counts[lane] = counts.get(lane, 0) + 1
    return counts


def _batch_view(results: Sequence[_Prepared | Invalid], accepted: int) -> BatchView:
    items, room = [], _LISTED_OF_BATCH
    for index, result in enumerate(results):
        if isinstance(result, Invalid):
            listed = result.with_at_most(1 + min(room, _LISTED_OF_ITEM - 1))
            room -= len(listed.violations) - 1
            items.append(BatchItem(index=index, status="refused", errors=listed.violations, omitted=listed.omitted))
        else:
            items.append(BatchItem(index=index, status="accepted", message=result.view))
    return BatchView(accepted=accepted, refused=len(items) - accepted, data=tuple(items))


__all__ = [
    "MAX_BATCH",
    "AcceptedView",
    "BatchItem",
    "BatchView",
    "IdempotencyRequest",
    "Invalid",
    "Reply",
    "Submission",
    "SubmitMessages",
]
