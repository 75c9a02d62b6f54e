"""The difference between this machine's clock and the database's."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from messaging.application.ports.clock import Clock
from messaging.application.ports.survey import Survey
from messaging.entrypoints.composition.doctor.finding import Finding, failed, fine

_BEARABLE_SECONDS: Final = 2.0
_MEND: Final = "synchronise the clocks of this machine and of the database's (chronyc tracking, timedatectl status)"


class ExamineClock:
    def __init__(self, *, survey: Survey, clock: Clock) -> None:
        self._survey = survey
        self._clock = clock

    async def __call__(self) -> Sequence[Finding]:
        before = self._clock.now()
        theirs = await self._survey.now()
        return judge(before, theirs, self._clock.now())


def judge(before: datetime, theirs: datetime, after: datetime) -> Sequence[Finding]:
    """Judges the difference. The database's clock was read between two readings of ours, so only what lies outside of
    both is a difference.
    """
    skew = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    if skew > _BEARABLE_SECONDS:
        return [failed("clock", f"{skew:.1f} s apart from the database's", mend=_MEND)]
    return [fine("clock", f"within {skew:.1f} s of the database's")]
