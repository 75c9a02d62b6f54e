"""A store of messages as the contracts of the message ports see it: in memory, or in Postgres."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.due_messages import Due
from messaging.application.ports.optimistic_writes import OptimisticWrites
from messaging.application.ports.submissions import NewMessage
from messaging.application.ports.templates import HeldMessages
from messaging.application.ports.unit_of_work import DeliveryUnitOfWork, MessageRoles, SweepRoles, TenantTransaction
from messaging.application.ports.vitals import Vitals
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import ECHO_GRACE, Priority
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.retry import Sent, Uncertain
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode, Reach
from tests.builders import TENANT
from tests.seeding import lock_due

LANE = DeliverLane(channel=Channel.WHATSAPP, priority=Priority.DEFAULT)
LEASE = timedelta(seconds=30)
UNRENDERABLE = ProviderError(code="unrenderable", reason="A variable is missing.")
AT_ONCE = dict.fromkeys(ECHO_GRACE, timedelta(0))

Decide = Callable[[MessageState], Change | None]


class MessagesUnitOfWork(DeliveryUnitOfWork, SweepRoles, Protocol):
    """A transaction with all roles of messages."""

    @property
    def held_messages(self) -> HeldMessages: ...


class TenantUnitOfWork(TenantTransaction, MessageRoles, Protocol):
    """A tenant's transaction with its roles of messages."""

    @property
    def vitals(self) -> Vitals: ...


class MessageStore(Struct, frozen=True, kw_only=True):
    """`open` is for a tenant in a mode. `somebody_waits` returns as soon as a transaction waits for a lock of another;
    `switch` puts another server in the place of the one that was written to.
    """

    accept: Callable[[Sequence[NewMessage]], Awaitable[Sequence[MessageKey]]]
    open_uow: Callable[[], AbstractAsyncContextManager[MessagesUnitOfWork]]
    open: Callable[[TenantId, Reach], AbstractAsyncContextManager[TenantUnitOfWork]]
    writes: OptimisticWrites
    somebody_waits: Callable[[], Awaitable[None]]
    switch: Callable[[], Awaitable[None]]

    async def claim(self, *, quota: int = 10, lease: timedelta = LEASE) -> Sequence[MessageKey]:
        async with self.open_uow() as uow:
            due = await lock_due(uow.due_messages, LANE, quota=quota)
            await uow.lifecycles.apply(taken_up(due, lease=lease))
            await uow.commit()
        return [one.message.key for one in due]

    async def move(self, key: MessageKey, decide: Decide) -> MessageState:
        """Where the change leaves the message."""
        async with self.open_uow() as uow:
            change = decide((await uow.lifecycles.lock([key]))[key])
            assert change is not None
            await uow.lifecycles.apply([change])
            await uow.commit()
        return await self.state(key)

    async def state(self, key: MessageKey) -> MessageState:
        async with self.open_uow() as uow:
            return (await uow.lifecycles.lock([key]))[key]

    def tenant(self, mode: Mode = Mode.LIVE) -> AbstractAsyncContextManager[TenantUnitOfWork]:
        return self.open(TENANT, mode)

    async def dead(self, new: NewMessage, error: ProviderError = UNRENDERABLE) -> MessageKey:
        """A message that only a person can send again."""
        [key] = await self.accept([new])
        await self.claim()
        await self.move(key, lambda at: lifecycle.dead_letter(at, epoch=1, error=error))
        return key

    async def unclear(self, new: NewMessage) -> MessageKey:
        """A message that was sent with an unclear result; its wait for news is over at once."""
        [key] = await self.accept([new])
        await self.claim()
        await self.move(key, starting)
        await self.move(key, unclear)
        return key


def taken_up(due: Sequence[Due], *, lease: timedelta = LEASE) -> list[Change]:
    changes = [lifecycle.take_up(one.message, worker="w1", lease=lease) for one in due]
    return [change for change in changes if change is not None]


def starting(state: MessageState) -> Change | None:
    return lifecycle.start(state, epoch=state.epoch, worker="w1", lease=LEASE)


def accepted(state: MessageState) -> Change:
    """By the provider, under the message's own id."""
    taken = Sent(provider_message_id=str(state.key.message_id))
    return lifecycle.conclude(state, epoch=state.epoch, result=taken, latency_ms=12)


def unclear(state: MessageState) -> Change:
    return lifecycle.conclude(state, epoch=state.epoch, result=Uncertain(reason="no answer"), grace=AT_ONCE)


async def turns_of_the_loop() -> None:
    """Enough for every task that can go on to do so."""
    for _ in range(10):
        await asyncio.sleep(0)
