"""End the wait for an echo: what stayed unclear past its grace is sent again on proof, or put before a person."""

from collections.abc import Mapping, Sequence

from messaging.application import crashpoints
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, SystemUnitOfWork
from messaging.domain.messages import lifecycle
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.standing import Standing
from messaging.domain.messages.state import State
from messaging.domain.messages.witnesses import WITNESS_RULE, Evidence, WitnessRule, may_resend
from messaging.domain.shared.ids import SenderId

_BATCH = 200


class StopWaiting:
    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        telemetry: Telemetry,
        grace: lifecycle.EchoGrace = ECHO_GRACE,
        rule: WitnessRule = WITNESS_RULE,
    ) -> None:
        self._open_uow = open_uow
        self._telemetry = telemetry
        self._grace = grace
        self._rule = rule

    async def __call__(self) -> int:
        """How many waits were looked at; fewer than a batch means that none is left for now."""
        async with self._open_uow() as uow:
            standings = await uow.lifecycles.lock_waits_over(_BATCH)
            if not standings:
                return 0
            evidence = await self._evidence(uow, standings)
            decided = [(standing.key, self._decide(standing, evidence)) for standing in standings]
            changes = [change for _, change in decided if change is not None]
            await uow.lifecycles.apply(changes)
            await uow.lifecycles.withdraw([key for key, change in decided if change is None])
            crashpoints.reach("stop_waiting.before_commit")
            await uow.commit()
        crashpoints.reach("stop_waiting.after_commit")
        for change in changes:
            self._telemetry.count("unknown_resolved", outcome=_OUTCOMES.get(change.state, "waiting"))
        return len(standings)

    async def _evidence(self, uow: SystemUnitOfWork, standings: Sequence[Standing]) -> Mapping[SenderId, Evidence]:
        """Only for those it could matter to: it is the one costly question here."""
        doubtful = [standing for standing in standings if may_resend(standing)]
        if not doubtful:
            return {}
        return await uow.lifecycles.witnesses(doubtful, enough=self._rule.witnesses)

    def _decide(self, standing: Standing, evidence: Mapping[SenderId, Evidence]) -> Change | None:
        return lifecycle.stop_waiting(standing, evidence.get(standing.sender_id), grace=self._grace, rule=self._rule)


_OUTCOMES = {State.UNCONFIRMED: "unconfirmed", State.QUEUED: "resent"}
