"""Looks for events that nobody fans out or posts, and for callbacks that are held."""

from collections.abc import Sequence
from typing import Final

from messaging.application.ports.callbacks.delivering.depths import CallbackDepths, CallbackVitals
from messaging.entrypoints.composition.doctor.finding import Finding, failed, fine, warning

# Seconds. Work that nobody takes up for so long has no process, or too few of them.
_BEARABLE: Final = 60.0
_LATE: Final = "app callbacks (one more): docs/operations.md, Callbacks"
_HELD: Final = "their tenants resume or enable the endpoints; after 30 days they are discarded"


class ExamineCallbacks:
    def __init__(self, *, vitals: CallbackVitals) -> None:
        self._vitals = vitals

    async def __call__(self) -> Sequence[Finding]:
        return judge(await self._vitals.depths())


def judge(depths: CallbackDepths) -> Sequence[Finding]:
    late = [
        f"{what} for {seconds:.0f} s"
        for what, seconds in (
            ("events wait to be fanned out", depths.oldest_pending),
            (f"{depths.due} callbacks are due, the oldest endpoint", depths.oldest_due),
        )
        if seconds > _BEARABLE
    ]
    findings = [failed("callbacks", "; ".join(late), mend=_LATE)] if late else []
    if depths.held:
        findings.append(warning("callbacks", f"{depths.held} are held for endpoints not enabled", mend=_HELD))
    open = depths.lanes.get("open", 0)
    return findings or [fine("callbacks", f"none is late; {open} endpoints do not answer and are probed")]
