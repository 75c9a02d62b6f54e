"""Port for messages whose next receipt or echo is overdue: it locks them and reads evidence about their senders."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.transitions.negative_evidence import Evidence
from messaging.domain.shared.ids import SenderId


class AwaitedMessages(Protocol):
    """Bound to an open transaction of the platform."""

    async def lock_waits_over(self, limit: int) -> Sequence[MessageState]:
        """Messages whose `resolve_unknown` dispatch is due, locked; rows locked by others are skipped."""
        ...

    async def lock_for_polling(self, limit: int) -> Sequence[MessageState]:
        """The same for messages whose `poll_status` dispatch is due."""
        ...

    async def later_receipts(self, waiting: Sequence[MessageState], *, enough: int) -> Mapping[SenderId, Evidence]:
        """What was heard of each sender since its last attempt among `waiting` began; counts up to `enough`.

        One answer for all messages of a sender: what came after the last of them came after all. Attempts that never
        began are left out.
        """
        ...
