"""Numbers of due and waiting messages in a lane."""

from datetime import datetime

from msgspec import Struct

from messaging.application.jobs import DeliverLane


class LaneDepth(Struct, frozen=True, kw_only=True):
    """`oldest_due_at` is None when nothing is due; `due` counts what should be leaving now, `waiting` the rest."""

    lane: DeliverLane
    due: int
    waiting: int
    oldest_due_at: datetime | None
