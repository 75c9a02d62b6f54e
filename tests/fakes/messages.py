"""Messages in a dict, with row locks and transactions: what the fakes of the message ports read and write."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

from msgspec import UNSET, Struct
from msgspec.structs import replace

from messaging.application.ports.dead_letters import DeadLetterRow
from messaging.application.ports.submissions import NewMessage
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.change import AttemptOpened, AttemptUpdated, Change, Entry, Schedule, Unschedule
from messaging.domain.messages.message import Message
from messaging.domain.messages.message_state import DispatchKind, MessageKey, MessageState, Outcome
from messaging.domain.messages.pacing.fairness import NO_FLOW, Flow
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions.projection import project
from messaging.domain.shared.mode import BOTH_MODES, TenantScope


class StoredMessage(Struct, frozen=True, kw_only=True):
    """One message with all that is written about it. `state` is as of its last change, and without a live lease.

    `provider_ids` holds the provider's message id of each attempt that the provider took, by epoch. `letter` is the
    message's dead letter, open or settled.
    """

    accepted: Message
    state: MessageState
    sealed: bytes
    recipient_index: bytes
    flow_id: UUID
    dispatch: Schedule | None
    entries: tuple[Entry, ...]
    lease_until: datetime
    updated_at: datetime
    provider_ids: Mapping[int, str] = {}
    error: ProviderError | None = None
    letter: DeadLetterRow | None = None

    @property
    def flow(self) -> Flow:
        return Flow(self.state.key.tenant_id, self.state.sender_id, self.flow_id)

    @property
    def lane(self) -> DeliverLane:
        return DeliverLane(channel=self.state.channel, priority=self.state.priority)

    def waits_for(self, kind: DispatchKind) -> bool:
        return self.dispatch is not None and self.dispatch.kind is kind

    @property
    def due_at(self) -> datetime:
        """When its dispatch is due; `waits_for` says whether there is one."""
        assert self.dispatch is not None
        return self.dispatch.due_at

    def at(self, now: datetime) -> MessageState:
        """The message's state as a reader sees it at `now`."""
        attempt = self.state.attempt
        live = None if attempt is None else replace(attempt, lease_live=self.lease_until > now)
        return replace(self.state, now=now, attempt=live)

    def after(self, change: Change, now: datetime) -> "StoredMessage":
        """With a decided change written at `now`."""
        opened = [news for news in change.attempt if isinstance(news, AttemptOpened)]
        taken = {
            news.epoch: news.provider_message_id
            for news in change.attempt
            if isinstance(news, AttemptUpdated) and news.provider_message_id is not None
        }
        return replace(
            self,
            state=self._flagged(project(self.state, change, now=now), change),
            dispatch=_dispatch(self.dispatch, change),
            entries=self.entries + change.entries,
            lease_until=now + opened[-1].lease if opened else self.lease_until,
            updated_at=now,
            provider_ids={**self.provider_ids, **taken},
            error=self.error if change.error is UNSET else change.error,
            letter=_letter(self.letter, change, now),
        )

    def _flagged(self, state: MessageState, change: Change) -> MessageState:
        """A second attempt that turns out accepted is a possible duplicate."""
        accepted = {news.epoch for news in change.attempt if _is_acceptance(news)}
        several = bool(accepted) and len(accepted | self.provider_ids.keys()) > 1
        return replace(state, possible_duplicate=state.possible_duplicate or several)


def _is_acceptance(news: AttemptOpened | AttemptUpdated) -> bool:
    return isinstance(news, AttemptUpdated) and news.outcome is Outcome.ACCEPTED


def _dispatch(before: Schedule | None, change: Change) -> Schedule | None:
    match change.dispatch:
        case Unschedule():
            return None
        case None:
            return before
        case arranged:
            return arranged


def _letter(before: DeadLetterRow | None, change: Change, now: datetime) -> DeadLetterRow | None:
    """Entering `dead` opens a dead letter, leaving it settles the letter."""
    died, rose = change.state is State.DEAD, change.previous is State.DEAD
    if died and not rose:
        assert isinstance(change.error, ProviderError)
        return DeadLetterRow(
            message_id=change.key.message_id,
            code=change.error.code,
            reason=change.error.reason,
            died_at=now,
            resolved_at=None,
            resolution=None,
        )
    if rose and not died and before is not None and before.resolved_at is None:
        resolution = "retried" if change.state is State.QUEUED else "resolved_by_provider"
        return replace(before, resolved_at=now, resolution=resolution)
    return before


class InMemoryMessages:
    """The committed messages, by key, and who holds which of them locked. `clock` is the store's own."""

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.stored: dict[MessageKey, StoredMessage] = {}
        self.locks: defaultdict[MessageKey, asyncio.Lock] = defaultdict(asyncio.Lock)

    def accept(self, messages: Iterable[NewMessage]) -> Sequence[MessageKey]:
        """Store accepted messages, each with its first event and its dispatch."""
        added = [_accepted(new, self.clock()) for new in messages]
        self.stored |= {stored.state.key: stored for stored in added}
        return [stored.state.key for stored in added]

    @asynccontextmanager
    async def transaction(self, scope: TenantScope | None = None) -> AsyncIterator["InMemoryTransaction"]:
        """The platform's without a scope, otherwise that of a tenant in a mode."""
        opened = InMemoryTransaction(self, scope)
        try:
            yield opened
        finally:
            opened.end()


class InMemoryTransaction:
    """Sees what is committed and its own writes; keeps its row locks until it ends, and its writes if it commits.

    A tenant's sees that tenant's messages of its mode only.
    """

    def __init__(self, messages: InMemoryMessages, scope: TenantScope | None = None) -> None:
        self._messages = messages
        self._scope = scope
        self._held: set[MessageKey] = set()
        self._written: dict[MessageKey, StoredMessage] = {}

    @property
    def now(self) -> datetime:
        return self._messages.clock()

    def all(self) -> list[StoredMessage]:
        """Every message in sight in the order of its key, without locks."""
        return [self.read(key) for key in sorted(self._messages.stored) if self._sees(self._messages.stored[key])]

    def _sees(self, stored: StoredMessage) -> bool:
        if self._scope is None:
            return True
        tenant_id, mode = self._scope
        return stored.accepted.tenant_id == tenant_id and mode in (stored.accepted.mode, BOTH_MODES)

    def read(self, key: MessageKey) -> StoredMessage:
        return self._written.get(key) or self._messages.stored[key]

    def write(self, stored: StoredMessage) -> None:
        assert stored.state.key in self._held, "only messages that are locked are written"
        self._written[stored.state.key] = stored

    async def lock(self, keys: Iterable[MessageKey]) -> list[StoredMessage]:
        """In key order, each as soon as nobody else holds it; unknown keys are left out."""
        in_sight = {key for key, stored in self._messages.stored.items() if self._sees(stored)}
        for key in (known := sorted({*keys} & in_sight)):
            if key not in self._held:
                await self._messages.locks[key].acquire()
                self._held.add(key)
        return [self.read(key) for key in known]

    async def lock_unlocked(self, wanted: Iterable[StoredMessage], limit: int) -> list[StoredMessage]:
        """The first of those that no other transaction holds, in the order given."""
        free = [it for it in wanted if it.state.key in self._held or not self._messages.locks[it.state.key].locked()]
        await self.lock(stored.state.key for stored in free[:limit])
        return free[:limit]

    def due(self, kind: DispatchKind) -> list[StoredMessage]:
        """All that has a dispatch of this kind due by now, the longest due first."""
        now = self.now
        return sorted(
            (stored for stored in self.all() if stored.waits_for(kind) and stored.due_at <= now),
            key=lambda stored: stored.due_at,
        )

    def commit(self) -> None:
        self._messages.stored |= self._written
        self.end()

    def end(self) -> None:
        for key in self._held:
            self._messages.locks[key].release()
        self._held.clear()
        self._written.clear()


def _accepted(new: NewMessage, now: datetime) -> StoredMessage:
    message = new.message
    state = MessageState(
        key=MessageKey(message.tenant_id, message.id),
        state=message.state,
        seq=1,
        epoch=0,
        attempts=0,
        checks=0,
        claim_failures=0,
        channel=message.channel,
        priority=message.priority,
        category=message.category,
        policy=message.policy,
        on_unknown=message.on_unknown,
        account_id=message.account_id,
        sender_id=message.sender_id,
        expires_at=message.expires_at,
        attempt=None,
        now=now,
        trace_id=message.trace_id,
    )
    return StoredMessage(
        accepted=message,
        state=state,
        sealed=new.sealed,
        recipient_index=new.recipient_index,
        flow_id=message.template_id or (message.pin.template_id if message.pin else NO_FLOW),
        dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=message.send_at or now),
        entries=(Entry(type="message.accepted", state=message.state),),
        lease_until=now,
        updated_at=message.created_at,
    )
