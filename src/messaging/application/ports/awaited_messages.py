"""Port for messages whose next receipt or echo is overdue: it locks them and reads evidence about their senders."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.transitions.negative_evidence import Evidence
from messaging.domain.shared.ids import SenderId


class AwaitedMessages(Protocol):
    """Messages that wait for the provider's word, locked within an open transaction of the platform."""

    async def lock_waits_over(self, limit: int) -> Sequence[MessageState]:
        """Messages whose `resolve_unknown` dispatch is due, locked; rows locked by others are skipped."""
        ...

    async def lock_for_polling(self, limit: int) -> Sequence[MessageState]:
        """The same for messages whose `poll_status` dispatch is due."""
        ...

    async def sealed(self, keys: Sequence[MessageKey]) -> Mapping[MessageKey, bytes]:
        """The encrypted payloads of messages; those whose payload was deleted are left out."""
        ...

    async def later_receipts(self, waiting: Sequence[MessageState], *, enough: int) -> Mapping[SenderId, Evidence]:
        """Evidence about each sender: the receipts that came after its last attempt among `waiting` began.

        At most `enough` receipts are counted. There is one answer for all messages of a sender, because a receipt that
        came after the last attempt came after all of them. Senders none of whose attempts began are left out.
        """
        ...
