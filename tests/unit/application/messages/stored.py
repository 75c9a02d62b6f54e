"""Messages in memory that stand wherever a test wants them, by a clock that it moves."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from messaging.application.ports.dead_letters import DeadLetterRow
from messaging.application.ports.records import MessageFilter
from messaging.domain.messages.change import Entry, Schedule
from messaging.domain.messages.message_state import DispatchKind, MessageKey
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId, TenantId
from messaging.domain.shared.mode import Reach, TenantScope
from tests.builders import NOON, TEMPLATE, TENANT, a_message, a_state
from tests.fakes.dead_letters import has_open_letter
from tests.fakes.messages import InMemoryMessages, InMemoryTransaction, StoredMessage
from tests.fakes.selections import InMemorySelections
from tests.fakes.unit_of_work import InMemoryStore, InMemoryTenantUnitOfWork


def key_of(number: int) -> MessageKey:
    return MessageKey(TENANT, MessageId(UUID(int=number)))


class Stored(InMemoryStore):
    """Messages by small numbers.

    `asked` are the filters and limits by which an operator selected some, `meanwhile` what others do before the
    selected are locked.
    """

    def __init__(self) -> None:
        super().__init__(InMemoryMessages(clock=lambda: self.now))
        self.now = NOON
        self.meanwhile: Callable[[], None] = lambda: None
        self.asked: list[tuple[MessageFilter, int]] = []

    def put(
        self,
        number: int,
        state: State,
        *,
        waits_for: DispatchKind | None = None,
        since: float = 0.0,
        provider_id: str | None = None,
        entries: tuple[Entry, ...] = (),
        **changes: Any,
    ) -> None:
        """A message at noon; its dispatch, if it waits for something, has been due for so many seconds.

        `provider_id` is that of its first attempt.
        """
        due_at = NOON - timedelta(seconds=since)
        key = key_of(number)
        self.messages.stored[key] = StoredMessage(
            accepted=a_message(id=key.message_id, tenant_id=key.tenant_id),
            state=a_state(state, **({"key": key} | changes)),
            sealed=b"",
            recipient_index=number.to_bytes(32),
            flow_id=TEMPLATE,
            dispatch=None if waits_for is None else Schedule(kind=waits_for, due_at=due_at),
            entries=entries,
            lease_until=NOON,
            updated_at=NOON,
            provider_ids={} if provider_id is None else {1: provider_id},
            letter=a_letter(key.message_id) if state is State.DEAD else None,
        )

    def of(self, number: int) -> StoredMessage:
        return self.messages.stored[key_of(number)]

    def states(self) -> dict[int, State]:
        return {key.message_id.int: stored.state.state for key, stored in sorted(self.messages.stored.items())}

    def told(self, number: int) -> dict[str, Any]:
        """The last entry of a message's timeline."""
        entry = self.of(number).entries[-1]
        return {"type": entry.type, **entry.detail}

    def waits(self, number: int) -> tuple[DispatchKind, timedelta] | None:
        """For what it waits, and for how long yet."""
        dispatch = self.of(number).dispatch
        return None if dispatch is None else (dispatch.kind, dispatch.due_at - self.now)

    # --- as one tenant's key sees them ------------------------------------------------------------------------------

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[InMemoryTenantUnitOfWork]:
        async with self.messages.transaction(TenantScope(tenant_id, mode)) as opened:
            uow = InMemoryTenantUnitOfWork(opened)
            uow.selections = _Asked(opened, self)
            yield uow

    def open_letters(self) -> set[int]:
        return {key.message_id.int for key, it in self.messages.stored.items() if has_open_letter(it)}

    def settle_letter(self, number: int) -> None:
        """As somebody else has."""
        it = self.of(number)
        assert it.letter is not None
        settled = replace(it.letter, resolved_at=NOON, resolution="discarded")
        self.messages.stored[key_of(number)] = replace(it, letter=settled)


class _Asked(InMemorySelections):
    def __init__(self, opened: InMemoryTransaction, stored: Stored) -> None:
        super().__init__(opened)
        self._stored = stored

    async def undecided(self, wanted: MessageFilter, *, limit: int) -> Sequence[MessageId]:
        self._stored.asked.append((wanted, limit))
        found = await super().undecided(wanted, limit=limit)
        self._stored.meanwhile()
        return found


def a_letter(id: MessageId) -> DeadLetterRow:
    """An open one."""
    return DeadLetterRow(message_id=id, code="x", reason="y", died_at=NOON, resolved_at=None, resolution=None)


def in_seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)
