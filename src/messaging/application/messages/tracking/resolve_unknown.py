"""Ends the wait for an echo: an unknown outcome past its grace leads to a resend on proof, or waits for a person."""

from collections.abc import Mapping, Sequence

from messaging.application import crashpoints
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, SystemUnitOfWork
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.negative_evidence import (
    NEGATIVE_EVIDENCE_RULE,
    Evidence,
    NegativeEvidenceRule,
    may_resend,
)
from messaging.domain.shared.ids import SenderId

_BATCH = 200


class ResolveUnknown:
    """Decides about messages whose outcome is still unknown at the end of their grace, one batch in each call."""

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        telemetry: Telemetry,
        grace: lifecycle.EchoGrace = ECHO_GRACE,
        rule: NegativeEvidenceRule = NEGATIVE_EVIDENCE_RULE,
    ) -> None:
        self._open_uow = open_uow
        self._telemetry = telemetry
        self._grace = grace
        self._rule = rule

    async def __call__(self) -> int:
        """The number of messages looked at; fewer than a batch means that none is left for now."""
        async with self._open_uow() as uow:
            messages = await uow.awaited_messages.lock_waits_over(_BATCH)
            if not messages:
                return 0
            evidence = await self._evidence(uow, messages)
            decided = [(message.key, self._decide(message, evidence)) for message in messages]
            changes = [change for _, change in decided if change is not None]
            await uow.lifecycles.apply(changes)
            await uow.dispatches.unschedule([key for key, change in decided if change is None])
            crashpoints.reach("resolve_unknown.before_commit")
            await uow.commit()
        crashpoints.reach("resolve_unknown.after_commit")
        for change in changes:
            self._telemetry.count("unknown_resolved", outcome=_OUTCOMES.get(change.state, "waiting"))
        return len(messages)

    async def _evidence(self, uow: SystemUnitOfWork, messages: Sequence[MessageState]) -> Mapping[SenderId, Evidence]:
        """Evidence for the senders of messages that may be resent, and for no others: this query is costly."""
        doubtful = [message for message in messages if may_resend(message)]
        if not doubtful:
            return {}
        return await uow.awaited_messages.later_receipts(doubtful, enough=self._rule.later_receipts)

    def _decide(self, message: MessageState, evidence: Mapping[SenderId, Evidence]) -> Change | None:
        return lifecycle.resolve_unknown(message, evidence.get(message.sender_id), grace=self._grace, rule=self._rule)


_OUTCOMES = {State.UNCONFIRMED: "unconfirmed", State.QUEUED: "resent"}
