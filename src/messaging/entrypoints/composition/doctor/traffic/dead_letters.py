"""Counts the messages that wait for a person's decision."""

from collections.abc import Sequence
from typing import Final

from messaging.application.ports.survey import Survey
from messaging.entrypoints.composition.doctor.finding import Finding, fine, warning

_MEND: Final = "GET /v1/dead-letters, mend the cause, then requeue or discard: POST /v1/operator-actions"


class ExamineDeadLetters:
    def __init__(self, *, survey: Survey) -> None:
        self._survey = survey

    async def __call__(self) -> Sequence[Finding]:
        count = await self._survey.open_dead_letters()
        if count == 0:
            return [fine("dead_letters", "none open")]
        return [warning("dead_letters", f"{count} open", mend=_MEND)]
