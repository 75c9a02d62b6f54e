"""What people wrote, in a list."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

from messaging.application.ports.conversations import InboundRow, NewInbound
from messaging.domain.shared.ids import InboundId, SenderId, TenantId


class InMemoryConversations:
    """`tenant_id` is whose page is shown."""

    def __init__(self, tenant_id: TenantId | None = None) -> None:
        self.inbound: list[NewInbound] = []
        self._tenant_id = tenant_id

    async def add_inbound(self, messages: Sequence[NewInbound]) -> AbstractSet[InboundId]:
        added = set()
        for new in messages:
            seen = {(known.tenant_id, known.sender_id, known.provider_message_id) for known in self.inbound}
            if (new.tenant_id, new.sender_id, new.provider_message_id) not in seen:
                self.inbound.append(new)
                added.add(new.id)
        return added

    async def last_inbound(
        self, tenant_id: TenantId, contacts: Sequence[tuple[SenderId, bytes]]
    ) -> Mapping[tuple[SenderId, bytes], datetime]:
        last: dict[tuple[SenderId, bytes], datetime] = {}
        for new in self.inbound:
            for contact in ((new.sender_id, index) for index in new.contact_indexes):
                if new.tenant_id == tenant_id and new.opens_window and contact in contacts:
                    last[contact] = max(last.get(contact, new.occurred_at), new.occurred_at)
        return last

    async def page(self, *, before: InboundId | None, limit: int) -> Sequence[InboundRow]:
        own = sorted((new for new in self.inbound if new.tenant_id == self._tenant_id), key=lambda new: new.id)
        return [
            InboundRow(
                id=new.id,
                account_id=new.account_id,
                sender_id=new.sender_id,
                kind=new.kind,
                sealed=new.sealed,
                occurred_at=new.occurred_at,
                received_at=new.occurred_at,
            )
            for new in reversed(own)
            if before is None or new.id < before
        ][:limit]
