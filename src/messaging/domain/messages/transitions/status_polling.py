"""Decides what one status check of an accepted message without a final receipt records, and when the next check is due.

T21: a message without further receipts keeps its state, and a status check never causes it to be sent again.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from msgspec import UNSET, UnsetType

from messaging.domain.messages.change import Change, Schedule, Unschedule
from messaging.domain.messages.change_builder import ChangeBuilder
from messaging.domain.messages.message_state import DispatchKind, MessageState
from messaging.domain.messages.receipts import ProviderError, Receipt, ReceiptKind
from messaging.domain.messages.retry import POLICIES
from messaging.domain.messages.state import AWAITING_NEWS


class Asked(StrEnum):
    """Whether the provider was asked: `no` where it offers no such call, or where the budget for it is used up."""

    YES = "yes"
    NO = "no"
    FAILED = "failed"


def poll_status(
    message: MessageState, found: Sequence[Receipt], *, asked: Asked, check_every: timedelta | None = None
) -> Change | None:
    """Record one status check of a message without a final receipt, and the receipts it found. None when one came
    first.

    Only receipts that move the message are taken from the provider's history; the others are stored already.
    """
    if message.state not in AWAITING_NEWS:
        return None
    policy = POLICIES[message.policy]
    builder = ChangeBuilder(message)
    error = _fold(builder, found)
    news = builder.state is not message.state
    check = message.checks + 1
    builder.note(
        "message.checked", {"check": check, "of": policy.checks, "news": "yes" if news else "no", "asked": asked}
    )
    dispatch: Schedule | Unschedule = Unschedule()
    if builder.state in AWAITING_NEWS:
        if check < policy.checks:
            due_at = message.now + (check_every or policy.check_every)
            dispatch = Schedule(kind=DispatchKind.POLL_STATUS, due_at=due_at)
        else:
            builder.note("message.silent", {"checks": check})
    return builder.change(checks=check, error=error, dispatch=dispatch)


def _fold(builder: ChangeBuilder, found: Sequence[Receipt]) -> ProviderError | UnsetType | None:
    error: ProviderError | UnsetType | None = UNSET
    for receipt in found:
        detail: dict[str, str | int | None] = {
            "provider_message_id": receipt.provider_message_id,
            # A receipt that had to be fetched is no evidence that webhooks arrive.
            "source": "history",
        }
        if receipt.error is not None:
            detail |= {"code": receipt.error.code, "reason": receipt.error.reason}
        if not builder.signal(receipt.kind.signal, f"receipt.{receipt.kind}", detail, receipt.occurred_at):
            continue
        failed = receipt.kind is ReceiptKind.FAILED
        error = (
            (receipt.error or ProviderError(code="failed", reason="The provider gave no reason.")) if failed else None
        )
    return error
