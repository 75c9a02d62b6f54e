"""Limits how often a tenant may change its configuration, because every process reads it again after each change."""

import math

from messaging.application.ports.submission_limits import Exceeded, SubmissionQuotas, Wanted
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import TenantId
from messaging.domain.tenants.limits import Policy, Quota

_WINDOW_SECONDS = 60


class TooManyChanges(DomainError):
    """Too many changes of configuration in a minute; nothing was changed."""

    def __init__(self, quota: Quota, retry_after: float) -> None:
        super().__init__(
            "changes_limited",
            f"A tenant may change its configuration {quota.messages} times in {quota.seconds} s. Nothing was changed.",
        )
        self.retry_after = max(1, math.ceil(retry_after))


class LimitChanges:
    """Counts changes across all processes, as submissions are counted; with `per_minute` 0 any number is allowed."""

    def __init__(self, *, quotas: SubmissionQuotas, per_minute: int) -> None:
        self._quotas = quotas
        self._policy = Policy("configuration", Quota(messages=per_minute, seconds=_WINDOW_SECONDS))

    async def __call__(self, tenant_id: TenantId) -> None:
        """Raises TooManyChanges."""
        quota = self._policy.quota
        if not quota.messages:
            return
        outcome = await self._quotas.take([Wanted(self._policy, f"{tenant_id}:configuration", 1)])
        if isinstance(outcome, Exceeded):
            raise TooManyChanges(quota, outcome.by.resets_in)
