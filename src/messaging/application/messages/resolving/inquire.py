"""Puts questions about unclear sends to providers: whether they have the message, or the request again with its key."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from time import monotonic
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from messaging.application import crashpoints
from messaging.application.messages.delivering.outgoing import Prepared, RenderOutgoing, Unrenderable
from messaging.application.messages.pacing.send_slots import MoreSlots, Slot
from messaging.application.messages.tracking.call_budget import CallBudget
from messaging.application.ports.due_messages import Due
from messaging.application.ports.providers.lookup import Sought, StatusLookup
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import NotStarted
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages.message_state import LastAttempt, MessageKey, MessageState
from messaging.domain.messages.pacing.fairness import NO_FLOW
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.retry import SendResult, Uncertain, Unreachable
from messaging.domain.messages.transitions.status_polling import Asked
from messaging.domain.messages.unclear_sends import Recourse
from messaging.domain.shared.ids import Prefix, typeid

log = logging.getLogger(__name__)

_AT_ONCE: Final = 8
# Seconds after which no further call begins; with the longest call this stays well within the lease of a look.
_ASKING_SECONDS: Final = 20.0
_NOT_REPEATED: Final = Unreachable(code="not_repeated", reason="The request could not be repeated now.")
_BROKE: Final = Uncertain(code="internal_error", reason="An error in this platform lost the provider's answer.")


class Question(Struct, frozen=True, kw_only=True):
    """A message to ask about, and how: `ask` or `repeat`. `sealed` is its encrypted payload,
    None if that was deleted."""

    message: MessageState
    recourse: Recourse
    sealed: bytes | None


class Answer(Struct, frozen=True, kw_only=True):
    """What came of a question: `receipts` of the message if it was found, `result` if its request was repeated."""

    asked: Asked
    receipts: Sequence[Receipt] = ()
    result: SendResult | None = None


_NOT_ASKED: Final = Answer(asked=Asked.NO, result=_NOT_REPEATED)


class Inquire:
    """Asks providers, a few at once; for a message that could not be asked about the answer says so.

    `per_hour` bounds this process's calls for each account.
    """

    def __init__(
        self,
        *,
        render: RenderOutgoing,
        lookups: Mapping[str, StatusLookup],
        more_slots: MoreSlots,
        within: timedelta,
        per_hour: int = 1_000,
    ) -> None:
        self._render = render
        self._lookups = lookups
        self._more_slots = more_slots
        self._within = within.total_seconds()
        self._budget = CallBudget(per_hour)

    async def __call__(self, questions: Sequence[Question]) -> Mapping[MessageKey, Answer]:
        """One answer for each question. A request is not repeated later than `within` after the call."""
        concurrency, called = asyncio.Semaphore(_AT_ONCE), monotonic()

        async def ask(question: Question) -> Answer:
            async with concurrency:
                if monotonic() > called + _ASKING_SECONDS or not self._budget.take(question.message.account_id):
                    return _NOT_ASKED
                return await self._one(question, until=called + self._within)

        async with asyncio.TaskGroup() as group:
            tasks = {question.message.key: group.create_task(ask(question)) for question in questions}
        return {key: task.result() for key, task in tasks.items()}

    async def _one(self, question: Question, *, until: float) -> Answer:
        message = question.message
        if question.sealed is None:
            return _NOT_ASKED
        due = Due(message=message, sealed=question.sealed, flow_id=NO_FLOW, recipient_index=b"")
        prepared = await self._render(due, epoch=message.epoch)
        if isinstance(prepared, Unrenderable) or message.attempt is None:
            return _NOT_ASKED
        if question.recourse is Recourse.REPEAT:
            return Answer(asked=Asked.YES, result=await self._repeat(due, prepared, until))
        return await self._find(message, message.attempt, prepared)

    async def _find(self, message: MessageState, attempt: LastAttempt, prepared: Prepared) -> Answer:
        lookup, outgoing = self._lookups.get(prepared.provider), prepared.outgoing
        if lookup is None or attempt.started_at is None:
            return _NOT_ASKED
        sought = Sought(
            sender_external_id=outgoing.sender_external_id,
            sender_address=outgoing.sender_address,
            recipient=outgoing.recipient,
            content=outgoing.content,
            reference=outgoing.reference,
            started_at=attempt.started_at,
        )
        try:
            found = await lookup.find(outgoing.connection, sought)
        except (ProviderRefused, ProviderUnavailable) as error:
            ids = {"message_id": typeid(Prefix.MESSAGE, message.key.message_id), "code": error.code}
            log.info("message.find_failed", extra=ids)
            return Answer(asked=Asked.FAILED)
        except Exception:  # what is told of the other messages must not be lost because of a bug of ours
            log.exception("message.find_broke", extra={"message_id": typeid(Prefix.MESSAGE, message.key.message_id)})
            return Answer(asked=Asked.FAILED)
        # The reference says whose receipts they are, whether the provider knows it or not.
        return Answer(asked=Asked.YES, receipts=[replace(it, reference=sought.reference) for it in found])

    async def _repeat(self, due: Due, prepared: Prepared, until: float) -> SendResult:
        """Send the attempt's own request again, with its reference and so with its key, in a slot of its sender."""
        try:
            (slot,) = await self._more_slots([due])
        except StoreUnavailable:
            return _NOT_REPEATED
        if not isinstance(slot, Slot):
            return _NOT_REPEATED
        await asyncio.sleep(max(0.0, slot.opens - monotonic()))
        try:
            result = await prepared.gateway.send(prepared.outgoing, may_start=_before(until))
        except Exception:  # the message must not wait for the end of its lease because of a bug of ours
            log.exception(
                "message.repeat_broke", extra={"message_id": typeid(Prefix.MESSAGE, due.message.key.message_id)}
            )
            return _BROKE
        crashpoints.reach("resolve_unknown.after_repeat")
        return _NOT_REPEATED if isinstance(result, NotStarted) else result


def _before(until: float) -> Callable[[], Awaitable[bool]]:
    async def may_start() -> bool:
        return monotonic() < until

    return may_start
