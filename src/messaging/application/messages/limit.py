"""May this caller submit so many messages now? Asked before anything is stored."""

import math
from collections.abc import Sequence

from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.submission_limits import Exceeded, Standing, SubmissionQuotas, Taken, Wanted
from messaging.application.ports.telemetry import Telemetry
from messaging.domain.messages.message import Message
from messaging.domain.shared.errors import DomainError
from messaging.domain.tenants.limits import SubmissionLimits, policies
from messaging.domain.tenants.tenant import Principal


class RateLimited(DomainError):
    """Too many messages in too little time; `standings` is what every policy leaves."""

    def __init__(self, detail: str, *, retry_after: int, standings: tuple[Standing, ...]) -> None:
        super().__init__("rate_limited", detail)
        self.retry_after = retry_after
        self.standings = standings


class LimitSubmissions:
    """Counts messages, not requests: a batch whose messages do not all fit is refused as a whole.

    Live and test traffic are counted apart. A repetition under the same idempotency key counts again: that it is one
    shows only when it is stored.
    """

    def __init__(
        self, *, quotas: SubmissionQuotas, snapshots: Snapshots, default: SubmissionLimits, telemetry: Telemetry
    ) -> None:
        self._quotas = quotas
        self._snapshots = snapshots
        self._default = default
        self._telemetry = telemetry

    async def __call__(self, principal: Principal, messages: Sequence[Message]) -> tuple[Standing, ...]:
        """What the caller's policies leave afterwards. Raises RateLimited."""
        facts = await self._snapshots.tenant(principal.tenant_id)
        own = None if facts is None else facts.tenant.limits
        submitted = [(message.channel, message.category.value) for message in messages]
        wanted = [
            Wanted(policy, _counter(principal, policy.name), count)
            for policy, count in policies(own, self._default, submitted)
        ]
        outcome = await self._quotas.take(wanted) if wanted else Taken(())
        if isinstance(outcome, Exceeded):
            self._telemetry.count("messages_refused", len(messages), code="rate_limited")
            raise _refused(outcome, wanted)
        return outcome.standings


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
    return RateLimited(detail, retry_after=retry_after, standings=outcome.standings)
