"""The provider has the message and says nothing more: how long do we ask, and what is written down about it?

T21: however long the silence, the state stays the truth we know, and nothing is ever sent again because of it.
"""

from collections.abc import Sequence
from datetime import timedelta
from enum import StrEnum

from msgspec import UNSET, UnsetType

from messaging.domain.messages.change import Arrange, Change, Withdraw
from messaging.domain.messages.drafting import Draft
from messaging.domain.messages.receipts import ProviderError, Receipt, ReceiptKind
from messaging.domain.messages.retry import POLICIES
from messaging.domain.messages.standing import DispatchKind, Standing
from messaging.domain.messages.state import AWAITING_NEWS


class Asked(StrEnum):
    """Whether the provider was asked: `no` where it has no such call, or where the budget for it is used up."""

    YES = "yes"
    NO = "no"
    FAILED = "failed"


def check_silent(
    standing: Standing, found: Sequence[Receipt], *, asked: Asked, check_every: timedelta | None = None
) -> Change | None:
    """One check of a message without news, and what the provider's history told. None when news came first.

    Only what moves the message is taken from the history; the rest of it is known already.
    """
    if standing.state not in AWAITING_NEWS:
        return None
    policy = POLICIES[standing.policy]
    draft = Draft(standing)
    error = _fold(draft, found)
    news = draft.state is not standing.state
    check = standing.checks + 1
    draft.note(
        "message.checked", {"check": check, "of": policy.checks, "news": "yes" if news else "no", "asked": asked}
    )
    dispatch: Arrange | Withdraw = Withdraw()
    if draft.state in AWAITING_NEWS:
        if check < policy.checks:
            due_at = standing.now + (check_every or policy.check_every)
            dispatch = Arrange(kind=DispatchKind.CHECK_SILENT, due_at=due_at)
        else:
            draft.note("message.silent", {"checks": check})
    return draft.change(checks=check, error=error, dispatch=dispatch)


def _fold(draft: Draft, found: Sequence[Receipt]) -> ProviderError | UnsetType | None:
    error: ProviderError | UnsetType | None = UNSET
    for receipt in found:
        detail: dict[str, str | int | None] = {
            "provider_message_id": receipt.provider_message_id,
            # A receipt that had to be fetched does not witness that callbacks arrive.
            "source": "history",
        }
        if receipt.error is not None:
            detail |= {"code": receipt.error.code, "reason": receipt.error.reason}
        if not draft.signal(receipt.kind.signal, f"receipt.{receipt.kind}", detail, receipt.occurred_at):
            continue
        failed = receipt.kind is ReceiptKind.FAILED
        error = (
            (receipt.error or ProviderError(code="failed", reason="The provider gave no reason.")) if failed else None
        )
    return error
