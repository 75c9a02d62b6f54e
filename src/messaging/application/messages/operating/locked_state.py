"""Locks and reads the state of one message, for an operator's action on it."""

from messaging.application.ports.lifecycles import Lifecycles
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.shared.ids import MessageId, TenantId
from messaging.domain.shared.refusals import not_found


async def lock_one(lifecycles: Lifecycles, tenant_id: TenantId, id: MessageId) -> MessageState:
    key = MessageKey(tenant_id, id)
    message = (await lifecycles.lock([key])).get(key)
    if message is None:
        raise not_found()
    return message
