"""Applies a caller's submission limits (messages per time window) before anything is stored."""

import math
from collections.abc import Sequence
from typing import Final

from messaging.application.ports.submission_limits import Balance, Exceeded, SubmissionQuotas, Taken, Wanted
from messaging.application.ports.telemetry import Telemetry
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Category, Message
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import KeyId
from messaging.domain.tenants.limits import SubmissionLimits, policies
from messaging.domain.tenants.tenant import Principal

_MOST: Final = 10_000


class RateLimited(DomainError):
    """Too many messages in too little time; `balances` is what remains under each limit."""

    def __init__(self, detail: str, *, retry_after: int, balances: tuple[Balance, ...]) -> None:
        super().__init__("rate_limited", detail)
        self.retry_after = retry_after
        self.balances = balances


class LimitSubmissions:
    """Counts messages, not requests: a batch whose messages do not all fit is refused as a whole.

    Messages that broke a rule count too, for the tenant and the key, because checking them was work. Live and test
    traffic are counted separately. A repetition under the same idempotency key counts again, because it is recognised
    only when it is stored.
    """

    def __init__(self, *, quotas: SubmissionQuotas, default: SubmissionLimits, telemetry: Telemetry) -> None:
        self._quotas = quotas
        self._default = default
        self._telemetry = telemetry
        self._single: dict[tuple[KeyId, Channel, Category], tuple[SubmissionLimits | None, list[Wanted]]] = {}

    async def __call__(
        self, principal: Principal, own: SubmissionLimits | None, messages: Sequence[Message], *, refused: int = 0
    ) -> tuple[Balance, ...]:
        """What remains under the caller's limits afterwards. Raises RateLimited.

        `own` are the tenant's limits, which take the place of the platform's defaults.
        """
        if len(messages) == 1 and not refused:
            wanted = self._one(principal, own, messages[0])
        else:
            wanted = self._all(principal, own, messages, refused)
        outcome = await self._quotas.take(wanted) if wanted else Taken(())
        if isinstance(outcome, Exceeded):
            self._telemetry.count("messages_refused", len(messages) + refused, code="rate_limited")
            raise _refused(outcome, wanted)
        return outcome.balances

    def _one(self, principal: Principal, own: SubmissionLimits | None, message: Message) -> list[Wanted]:
        """The counters of a single message, cached: they depend only on its key, channel and category."""
        about = (principal.key_id, message.channel, message.category)
        known = self._single.get(about)
        if known is None or known[0] is not own:
            if len(self._single) >= _MOST:
                self._single.clear()
            known = self._single[about] = own, self._all(principal, own, [message])
        return known[1]

    def _all(
        self, principal: Principal, own: SubmissionLimits | None, messages: Sequence[Message], refused: int = 0
    ) -> list[Wanted]:
        submitted = [(message.channel, message.category.value) for message in messages]
        return [
            Wanted(policy, _counter(principal, policy.name), count)
            for policy, count in policies(own, self._default, submitted, refused)
        ]


def _counter(principal: Principal, policy: str) -> str:
    whose = principal.key_id if policy == "key" else principal.tenant_id
    return f"{whose}:{principal.mode}:{policy}"


def _refused(outcome: Exceeded, wanted: Sequence[Wanted]) -> RateLimited:
    policy, left = outcome.by.policy, outcome.by.remaining
    quota = policy.quota
    count = next(each.count for each in wanted if each.policy == policy)
    retry_after = max(1, math.ceil(outcome.by.resets_in))
    advice = (
        f"Send at most {quota.messages} at once."
        if count > quota.messages
        else f"Send {'it' if count == 1 else 'them'} again in {retry_after} s, or have the limit raised."
    )
    detail = (
        f"The limit '{policy.name}' is {quota.messages} messages in {quota.seconds} s; {left} of them are left and "
        f"this request has {count}. Nothing was stored. {advice}"
    )
    return RateLimited(detail, retry_after=retry_after, balances=outcome.balances)
