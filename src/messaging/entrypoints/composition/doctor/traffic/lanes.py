"""Compares the age of the oldest due message of each lane with what its priority tolerates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from messaging.application.ports.health import Health
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.survey import Survey
from messaging.domain.messages.message import Priority
from messaging.entrypoints.composition.doctor.finding import Finding, failed, fine, some

# Seconds. A campaign that waits for its sender's rate is late by design; a one-time password never is.
_BEARABLE: Final = {Priority.CRITICAL: 30.0, Priority.HIGH: 60.0, Priority.DEFAULT: 600.0, Priority.LOW: 6 * 3600.0}
_MEND: Final = (
    "app worker (one more), unless senders are held: see the findings `senders` and `workers`, and "
    "docs/operations.md, When something is stuck"
)


class ExamineLanes:
    """Ages are measured by the database's clock, which also decides what is due."""

    def __init__(self, *, health: Health, survey: Survey) -> None:
        self._health = health
        self._survey = survey

    async def __call__(self) -> Sequence[Finding]:
        return judge(await self._health.lane_depths(), now=await self._survey.now())


def judge(depths: Sequence[LaneDepth], *, now: datetime) -> Sequence[Finding]:
    late = [_told(depth, now) for depth in depths if _age(depth, now) > _BEARABLE[depth.lane.priority]]
    if late:
        return [failed("lanes", f"too late: {some(late)}", mend=_MEND)]
    return [fine("lanes", some([_told(depth, now) for depth in depths]) or "nothing is due")]


def _age(depth: LaneDepth, now: datetime) -> float:
    return 0.0 if depth.oldest_due_at is None else max(0.0, (now - depth.oldest_due_at).total_seconds())


def _told(depth: LaneDepth, now: datetime) -> str:
    return f"{depth.lane.channel}/{depth.lane.priority} {depth.due} due, the oldest for {_age(depth, now):.0f} s"
