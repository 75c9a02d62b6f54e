"""Port for submission quotas, counted across all processes."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from messaging.domain.tenants.limits import Policy


class Wanted(Struct, frozen=True):
    """`count` messages to be counted under a policy. `counter` names the counter: that of a tenant or of one key."""

    policy: Policy
    counter: str
    count: int


class Balance(Struct, frozen=True):
    """The number of messages that a policy still allows until its window ends, `resets_in` seconds from now."""

    policy: Policy
    remaining: int
    resets_in: float


class Taken(Struct, frozen=True):
    """All messages were counted; `balances` holds what each policy still allows."""

    balances: tuple[Balance, ...]


class Exceeded(Struct, frozen=True):
    """No message was counted; of the policies that allow too few, `by` is the one whose window ends last."""

    by: Balance
    balances: tuple[Balance, ...]


class SubmissionQuotas(Protocol):
    """Counters of submitted messages that all processes share."""

    async def take(self, wanted: Sequence[Wanted]) -> Taken | Exceeded:
        """Count all messages, or none if a policy allows too few. Without Redis, a process grants a part
        of each limit.
        """
        ...
