"""Port for the condition of one mode of a tenant: waiting messages, decisions due, last webhooks of its accounts.

It is asked now and then, never while handling a message. Every query is bounded, however much there is.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.lane_depth import LaneDepth
from messaging.domain.shared.ids import AccountId, TenantId


class Vitals(Protocol):
    """Bound to a tenant and a mode, as the unit of work is."""

    async def lanes(self, *, most: int) -> Sequence[LaneDepth]:
        """Lanes with anything in them; counts up to `most` messages of each sender in each lane."""
        ...

    async def open_dead_letters(self, *, most: int) -> int:
        """How many of the tenant's `most` newest open letters are of this mode."""
        ...

    async def unconfirmed(self, *, most: int) -> int:
        """How many of the tenant's `most` newest messages that ever were unconfirmed are so still, in this mode."""
        ...


class Heard(Struct, frozen=True, kw_only=True):
    """`last_at` is None if none of the webhooks looked at is the account's."""

    last_at: datetime | None = None
    set_aside: int = 0


class WebhooksHeard(Protocol):
    """Webhooks belong to accounts, and only to the platform's own login."""

    async def of(self, tenant_id: TenantId) -> Mapping[AccountId, Heard]:
        """Accounts of both modes: the last of the tenant's newest 1 000 webhooks, and how many of the installation's
        newest 10 000 that were set aside. Raises StoreUnavailable.
        """
        ...
