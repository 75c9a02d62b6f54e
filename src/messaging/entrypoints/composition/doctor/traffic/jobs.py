"""Looks for jobs that are dead, and for kinds whose jobs have been due for long."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from messaging.application.ports.health import Health
from messaging.application.ports.job_records import JobCount
from messaging.application.ports.survey import Survey
from messaging.entrypoints.composition.doctor.finding import Finding, failed, fine, some, warning

# Seconds. A job that nobody takes up for so long has no worker that knows its kind, or all are full.
_BEARABLE: Final = 600.0
_LATE: Final = "app worker (one more, of this release): docs/operations.md, Jobs"
_DEAD: Final = "app jobs dead, mend the cause, then: app jobs retry, or app jobs discard"


class ExamineJobs:
    """Ages are measured by the database's clock, which also decides what is due."""

    def __init__(self, *, health: Health, survey: Survey) -> None:
        self._health = health
        self._survey = survey

    async def __call__(self) -> Sequence[Finding]:
        return judge(await self._health.job_counts(), now=await self._survey.now())


def judge(counts: Sequence[JobCount], *, now: datetime) -> Sequence[Finding]:
    late = [
        f"{it.kind} {it.due} due, the oldest for {_age(it, now):.0f} s" for it in counts if _age(it, now) > _BEARABLE
    ]
    dead = [f"{it.kind} {it.dead}" for it in counts if it.dead]
    findings = [failed("jobs", f"too late: {some(late)}", mend=_LATE)] if late else []
    if dead:
        findings.append(warning("jobs", f"dead: {some(dead)}", mend=_DEAD))
    return findings or [fine("jobs", "none is late or dead")]


def _told(count: JobCount, now: datetime) -> str:
    return f"{count.kind} {count.due} due, the oldest for {_age(count, now):.0f} s"


def _age(count: JobCount, now: datetime) -> float:
    return 0.0 if count.oldest_due_at is None else max(0.0, (now - count.oldest_due_at).total_seconds())
