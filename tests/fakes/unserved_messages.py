"""Messages that no worker takes up, in memory: the expired and those whose worker's lease has ended."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from messaging.application.ports.unserved_messages import ExpiredPage, Place
from messaging.application.wakeups import DeliverLane
from messaging.domain.messages.message_state import DispatchKind, MessageState
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import SenderId, TenantId
from tests.fakes.messages import InMemoryTransaction, StoredMessage

_WAITING, _HELD = (State.SCHEDULED, State.QUEUED), (State.CLAIMED, State.SENDING)


class InMemoryUnservedMessages:
    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def lock_expired(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        return await self._lock(
            (it for it in self._due() if it.state.sender_id in held and self._is_expired(it)), limit
        )

    async def lock_expired_in(self, lane: DeliverLane, *, after: Place, limit: int) -> ExpiredPage:
        placed = {_place(it): it for it in self._due() if it.lane == lane}
        page = sorted((place for place in placed if _order(place) > _order(after)), key=_order)[:limit]
        expired = [placed[place] for place in page if self._is_expired(placed[place])]
        further = page[-1] if len(page) == limit else None
        return ExpiredPage(messages=await self._lock(expired, limit), next=further)

    async def lock_lost(self, held: Mapping[SenderId, TenantId], limit: int) -> Sequence[MessageState]:
        lost = (it for it in self._due() if it.state.sender_id in held and it.state.state in _HELD)
        return await self._lock(lost, limit)

    def _due(self) -> list[StoredMessage]:
        return self._transaction.due(DispatchKind.DELIVER)

    def _is_expired(self, stored: StoredMessage) -> bool:
        expires_at = stored.state.expires_at
        return expires_at is not None and expires_at <= self._transaction.now and stored.state.state in _WAITING

    async def _lock(self, wanted: Iterable[StoredMessage], limit: int) -> Sequence[MessageState]:
        locked = await self._transaction.lock_unlocked(wanted, limit)
        return [stored.at(self._transaction.now) for stored in locked]


def _place(stored: StoredMessage) -> Place:
    return Place(
        tenant_id=stored.state.key.tenant_id,
        sender_id=stored.state.sender_id,
        flow_id=stored.flow_id,
        due_at=stored.due_at,
        message_id=stored.state.key.message_id,
    )


def _order(place: Place) -> tuple[UUID, UUID, UUID, datetime, UUID]:
    return place.tenant_id, place.sender_id, place.flow_id, place.due_at, place.message_id
