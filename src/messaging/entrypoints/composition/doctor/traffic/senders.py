"""Reports the health of senders: which are held back, for which reason, and what a person has to do."""

from collections.abc import Mapping, Sequence
from typing import Final

from messaging.application.ports.survey import Survey
from messaging.application.tenants.tell_health import TellHealth
from messaging.application.tenants.views import SenderHealthView
from messaging.domain.messages.pacing.breaker import BreakerState, Trouble
from messaging.domain.shared.ids import Prefix, SenderId, typeid
from messaging.entrypoints.composition.doctor.finding import Finding, failed, fine, some, warning

_MEND: Final[Mapping[Trouble | None, str]] = {
    Trouble.UNAUTHORIZED: "give the account a new token: PATCH /v1/provider-accounts/{id} (its docs/connect-….md)",
    Trouble.RESTRICTED: "look the code up at the provider, lift the restriction there, then: app retry msg_...",
    Trouble.UNAVAILABLE: "nothing while the provider is down; else check this machine's way out to it",
    None: "docs/operations.md, Held senders",
}
_UNTOLD: Final = "mend Redis (finding `redis`), then: app doctor"


class ExamineSenders:
    def __init__(self, *, survey: Survey, tell_health: TellHealth) -> None:
        self._survey = survey
        self._tell_health = tell_health

    async def __call__(self) -> Sequence[Finding]:
        senders = await self._survey.senders()
        return judge(await self._tell_health(senders), active=len(senders))


def judge(health: Mapping[SenderId, SenderHealthView], *, active: int) -> Sequence[Finding]:
    """A finding for each kind of trouble that some sender has. Without Redis the health of no sender is known."""
    if active and not health:
        return [warning("senders", f"{active} active, whose health cannot be told: Redis is away", mend=_UNTOLD)]
    held: dict[Trouble | None, list[str]] = {}
    for id, view in health.items():
        if view.state is not BreakerState.CLOSED:
            held.setdefault(view.reason, []).append(f"{typeid(Prefix.SENDER, id)} ({view.scope}, code {view.code})")
    if not held:
        return [fine("senders", f"{active} active, none held back" if active else "there is none yet")]
    return [
        failed(
            "senders", f"{len(told)} of {active} held back as {reason or 'unknown'}: {some(told)}", mend=_MEND[reason]
        )
        for reason, told in held.items()
    ]
