"""Looks at unclear sends when their look is due: asks the provider, repeats a request with its key, or decides.

What is done follows from what the provider can prove. No transaction is open while a provider is asked: the look moves
the dispatch to the end of a lease, so a worker lost meanwhile delays the look by one lease.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from messaging.application import crashpoints
from messaging.application.messages.resolving.inquire import Answer, Inquire, Question
from messaging.application.messages.tracking.reconcile import Arrived, ReconcileReceipts
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, SystemUnitOfWork
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.message_state import DispatchKind, MessageKey, MessageState
from messaging.domain.messages.retry import Sent
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle, unclear
from messaging.domain.messages.transitions.negative_evidence import (
    NEGATIVE_EVIDENCE_RULE,
    Evidence,
    NegativeEvidenceRule,
    may_resend,
)
from messaging.domain.messages.unclear_sends import Recourse, recourse
from messaging.domain.shared.ids import AccountId, SenderId

_BATCH: Final = 200
# By how much the lease of a look is longer than that of a send: looks of one batch begin for 20 seconds, and finding a
# message may take a second request.
_LONGER_BY: Final = timedelta(seconds=30)


class UnclearTerms(Struct, frozen=True, kw_only=True):
    """`grace` is how long an unclear send may stay so, `rule` how much evidence a resend needs; `check_every` overrides
    the interval at which policies check the status of accepted messages. `sending_lease` is longer than any request to
    a provider.
    """

    grace: lifecycle.EchoGrace
    sending_lease: timedelta = timedelta(seconds=60)
    rule: NegativeEvidenceRule = NEGATIVE_EVIDENCE_RULE
    check_every: timedelta | None = None

    @property
    def look_lease(self) -> timedelta:
        """How long a look may take; after that, another worker looks."""
        return 2 * self.sending_lease + _LONGER_BY


class _Looked(Struct, frozen=True):
    """A message whose look is due, what its provider can prove, and what is done."""

    message: MessageState
    can: Capabilities
    recourse: Recourse


class ResolveUnknown:
    """Looks at unclear sends, one batch in each call."""

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        telemetry: Telemetry,
        capabilities: AccountCapabilities,
        inquire: Inquire,
        reconcile: ReconcileReceipts,
        terms: UnclearTerms | None = None,
    ) -> None:
        self._open_uow = open_uow
        self._telemetry = telemetry
        self._capabilities = capabilities
        self._inquire = inquire
        self._reconcile = reconcile
        self._terms = terms or UnclearTerms(grace=ECHO_GRACE)

    async def __call__(self) -> int:
        """The number of messages looked at; fewer than a batch means that none is left for now."""
        async with self._open_uow() as uow:
            due = [await self._look(message) for message in await uow.awaited_messages.lock_waits_over(_BATCH)]
            if not due:
                return 0
            await self._decide(uow, [each for each in due if each.recourse is Recourse.DECIDE])
            questions = await self._begin(uow, [each for each in due if each.recourse is not Recourse.DECIDE])
            crashpoints.reach("resolve_unknown.before_commit")
            await uow.commit()
        crashpoints.reach("resolve_unknown.after_commit")
        if questions:
            await self._settle(due, await self._inquire(questions))
        return len(due)

    async def _look(self, message: MessageState) -> _Looked:
        can = await self._capabilities(message)
        if message.state is not State.UNKNOWN:
            return _Looked(message, can, Recourse.DECIDE)
        return _Looked(message, can, recourse(message, can, grace=self._grace(message)))

    # --- nothing is left to learn -----------------------------------------------------------------------------------

    async def _decide(self, uow: SystemUnitOfWork, over: Sequence[_Looked]) -> None:
        evidence = await self._evidence(uow, over)
        decided = [(each.message.key, self._decision(each, evidence)) for each in over]
        changes = [change for _, change in decided if change is not None]
        await uow.lifecycles.apply(changes)
        await uow.dispatches.unschedule([key for key, change in decided if change is None])
        self._count(changes)

    async def _evidence(self, uow: SystemUnitOfWork, over: Sequence[_Looked]) -> Mapping[SenderId, Evidence]:
        """Evidence for the senders of messages that may be resent, and for no others: this query is costly."""
        doubtful = [each.message for each in over if may_resend(each.message, each.can)]
        if not doubtful:
            return {}
        return await uow.awaited_messages.later_receipts(doubtful, enough=self._terms.rule.later_receipts)

    def _decision(self, looked: _Looked, evidence: Mapping[SenderId, Evidence]) -> Change | None:
        message, terms = looked.message, self._terms
        known = evidence.get(message.sender_id)
        return unclear.resolve_unknown(message, known, grace=terms.grace, rule=terms.rule, can=looked.can)

    # --- the provider may tell --------------------------------------------------------------------------------------

    async def _begin(self, uow: SystemUnitOfWork, asking: Sequence[_Looked]) -> Sequence[Question]:
        """Lease the looks; that a request is repeated is on record before its first byte."""
        if not asking:
            return ()
        repeats = [each for each in asking if each.recourse is Recourse.REPEAT]
        begun = [
            unclear.begin_repeat(each.message, can=each.can, lease=self._terms.look_lease, grace=self._terms.grace)
            for each in repeats
        ]
        await uow.lifecycles.apply([change for change in begun if change is not None])
        asked = [each.message.key for each in asking if each.recourse is Recourse.ASK]
        await uow.dispatches.postpone(dict.fromkeys(asked, self._terms.look_lease), kind=DispatchKind.RESOLVE_UNKNOWN)
        sealed = await uow.awaited_messages.sealed([each.message.key for each in asking])
        return [
            Question(message=each.message, recourse=each.recourse, sealed=sealed.get(each.message.key))
            for each in asking
        ]

    async def _settle(self, due: Sequence[_Looked], answers: Mapping[MessageKey, Answer]) -> None:
        looked = {each.message.key: each for each in due}
        async with self._open_uow() as uow:
            found = await self._found(uow, looked, answers)
            await self._reconcile(uow, found)
            settled = {item.receipt.provider_message_id for item in found}
            others = [key for key, answer in answers.items() if not settled & _ids(answer)]
            messages = await uow.lifecycles.lock(others)
            changes = [
                change
                for key, message in messages.items()
                if (change := self._after(message, looked[key], answers[key])) is not None
            ]
            await uow.lifecycles.apply(changes)
            await self._reconcile.match_parked(uow, _learnt(looked, answers))
            crashpoints.reach("resolve_unknown.before_settling")
            await uow.commit()
        self._count(changes)
        if settled:
            self._telemetry.count("unknown_resolved", len(settled), outcome="found")

    async def _found(
        self, uow: SystemUnitOfWork, looked: Mapping[MessageKey, _Looked], answers: Mapping[MessageKey, Answer]
    ) -> Sequence[Arrived]:
        """The receipts that were found, except those of another message of ours that reads the same."""
        found = [
            (key, Arrived(key.tenant_id, looked[key].message.account_id, receipt))
            for key, answer in answers.items()
            for receipt in answer.receipts
        ]
        ids = {(item.account_id, item.receipt.provider_message_id) for _, item in found}
        owners = await uow.attempts.find(list(ids)) if ids else {}
        return [
            item._replace(receipt=replace(item.receipt, facts=(*item.receipt.facts, ("source", "history"))))
            for key, item in found
            if (owner := owners.get((item.account_id, item.receipt.provider_message_id))) is None or owner.key == key
        ]

    def _after(self, message: MessageState, looked: _Looked, answer: Answer) -> Change | None:
        grace = self._terms.grace
        if looked.recourse is Recourse.ASK:
            return unclear.note_asked(message, asked=answer.asked, can=looked.can, grace=grace)
        assert answer.result is not None, "a repeated request has a result"
        return unclear.conclude_repeat(
            message,
            epoch=looked.message.epoch,
            result=answer.result,
            can=looked.can,
            grace=grace,
            check_every=self._terms.check_every,
        )

    def _grace(self, message: MessageState) -> timedelta:
        return self._terms.grace[message.channel, message.category]

    def _count(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._telemetry.count("unknown_resolved", outcome=_OUTCOMES.get(change.state, "waiting"))


def _ids(answer: Answer) -> set[str]:
    return {receipt.provider_message_id for receipt in answer.receipts}


def _learnt(looked: Mapping[MessageKey, _Looked], answers: Mapping[MessageKey, Answer]) -> list[tuple[AccountId, str]]:
    """Provider message ids that the answers to repeated requests make known."""
    return [
        (looked[key].message.account_id, answer.result.provider_message_id)
        for key, answer in answers.items()
        if isinstance(answer.result, Sent)
    ]


_OUTCOMES: Final = {
    State.UNCONFIRMED: "unconfirmed",
    State.QUEUED: "resent",
    State.SUBMITTED: "repeated",
    State.SENT: "repeated",
}
