"""Port for submission quotas, counted across all processes."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from messaging.domain.tenants.limits import Policy


class Wanted(Struct, frozen=True):
    """`count` messages under a policy; `counter` names whose they are (a tenant, one of its keys)."""

    policy: Policy
    counter: str
    count: int


class Balance(Struct, frozen=True):
    """What a policy leaves until its window ends, `resets_in` seconds from now; as far as this process knows."""

    policy: Policy
    remaining: int
    resets_in: float


class Taken(Struct, frozen=True):
    balances: tuple[Balance, ...]


class Exceeded(Struct, frozen=True):
    """Nothing was taken; `by` is the policy whose window ends last among those that leave too little."""

    by: Balance
    balances: tuple[Balance, ...]


class SubmissionQuotas(Protocol):
    async def take(self, wanted: Sequence[Wanted]) -> Taken | Exceeded:
        """All of it or nothing. Without Redis a process grants a conservative share by itself; it never fails."""
        ...
