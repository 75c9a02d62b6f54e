"""Numbers of due and waiting messages in a lane."""

from datetime import datetime

from msgspec import Struct

from messaging.application.wakeups import DeliverLane


class LaneDepth(Struct, frozen=True, kw_only=True):
    """`due` counts messages that may be sent now, `waiting` those that are due later.

    `oldest_due_at` is the due time of the message that has been due for longest; None if none is.
    """

    lane: DeliverLane
    due: int
    waiting: int
    oldest_due_at: datetime | None
