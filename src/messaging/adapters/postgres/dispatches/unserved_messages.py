"""Locks messages that no worker will finish: those that have expired, and those whose worker's lease has ended."""

from collections.abc import Mapping, Sequence

from asyncpg import Record
from msgspec.structs import astuple

from messaging.adapters.postgres.dispatches.due import LANES
from messaging.adapters.postgres.messages.lifecycles import MessageStates
from messaging.adapters.postgres.messages.locks import LOCK_EXPIRED, LOCK_EXPIRED_OF, LOCK_LOST, NEXT_DUE
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.unserved_messages import ExpiredPage, Place
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message_state import MessageState
from messaging.domain.shared.ids import SenderId, TenantId


class PostgresUnservedMessages:
    """Locks messages that no worker will finish, in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver, states: MessageStates) -> None:
        self._driver = driver
        self._states = states

    async def lock_expired(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        channels, priorities = zip(*LANES, strict=True)
        rows = await self._driver.fetch(
            *(LOCK_EXPIRED, list(held.values()), list(held.keys()), channels, priorities, limit)
        )
        return await self._states.read(rows)

    async def lock_expired_in(self, lane: DeliverLane, *, after: Place, limit: int) -> ExpiredPage:
        rows = await self._driver.fetch(NEXT_DUE, lane.channel, lane.priority, *astuple(after), limit)
        tenants, ids = [row["tenant_id"] for row in rows], [row["subject_id"] for row in rows]
        expired = await self._driver.fetch(LOCK_EXPIRED_OF, tenants, ids) if rows else ()
        further = _place(rows[-1]) if len(rows) == limit else None
        return ExpiredPage(messages=await self._states.read(expired), next=further)

    async def lock_lost(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        rows = await self._driver.fetch(LOCK_LOST, list(held.values()), list(held.keys()), limit)
        return await self._states.read(rows)


def _place(row: Record) -> Place:
    return Place(
        tenant_id=row["tenant_id"],
        sender_id=row["sender_id"],
        flow_id=row["flow_id"],
        due_at=row["due_at"],
        message_id=row["subject_id"],
    )
