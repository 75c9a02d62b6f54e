"""Messages in memory that stand wherever a test wants them, by a clock that it moves."""

from collections.abc import AsyncIterator, Collection, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from messaging.application.ports.records import MessageFilter
from messaging.domain.messages.change import Entry, Schedule
from messaging.domain.messages.message_state import DispatchKind, MessageKey
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId, TenantId
from messaging.domain.shared.mode import Reach
from tests.builders import NOON, TEMPLATE, TENANT, a_standing
from tests.fakes.messages import InMemoryMessages, StoredMessage
from tests.fakes.unit_of_work import InMemoryStore


def key_of(number: int) -> MessageKey:
    return MessageKey(TENANT, MessageId(UUID(int=number)))


class Stored(InMemoryStore):
    """Messages by small numbers. `letters` are those whose dead letter is open, `discarded` those settled by whom."""

    def __init__(self) -> None:
        super().__init__(InMemoryMessages(clock=lambda: self.now))
        self.now = NOON
        self.letters: set[MessageId] = set()
        self.discarded: list[tuple[MessageId, str, str]] = []
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
            state=a_standing(state, **({"key": key} | changes)),
            sealed=b"",
            recipient_index=number.to_bytes(32),
            flow_id=TEMPLATE,
            dispatch=None if waits_for is None else Schedule(kind=waits_for, due_at=due_at),
            entries=entries,
            lease_until=NOON,
            provider_ids={} if provider_id is None else {1: provider_id},
        )
        if state is State.DEAD:
            self.letters.add(key.message_id)

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
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Any]:
        async with self.open_uow() as uow:
            yield SimpleNamespace(
                lifecycles=uow.lifecycles,
                attempts=uow.attempts,
                selections=self,
                dead_letters=self,
                commit=uow.commit,
            )

    async def known(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        return {id for id in ids if MessageKey(TENANT, id) in self.messages.stored}

    async def undecided(self, wanted: MessageFilter, *, limit: int) -> Sequence[MessageId]:
        self.asked.append((wanted, limit))
        found = (key.message_id for key, it in self.messages.stored.items() if it.state.state in wanted.states)
        return sorted(found, reverse=True)[:limit]

    async def open_among(self, ids: Collection[MessageId]) -> AbstractSet[MessageId]:
        return self.letters.intersection(ids)

    async def discard(self, ids: Collection[MessageId], *, by: str, reason: str) -> AbstractSet[MessageId]:
        settled = self.letters.intersection(ids)
        self.letters -= settled
        self.discarded += [(id, by, reason) for id in sorted(settled)]
        return settled


def in_seconds(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def at(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)
