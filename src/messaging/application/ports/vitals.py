"""Port for the condition of one mode of a tenant: waiting messages, decisions due, last webhooks of its accounts.

Its queries run now and then, never while a message is handled. Each reads a bounded number of rows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.lane_depth import LaneDepth
from messaging.domain.shared.ids import AccountId, TenantId


class Vitals(Protocol):
    """A tenant's figures of one mode, read within an open transaction."""

    async def lanes(self, *, most: int) -> Sequence[LaneDepth]:
        """The lanes that are not empty. At most `most` messages of each sender are counted in each lane."""
        ...

    async def open_dead_letters(self, *, most: int) -> int:
        """The number of open dead letters of this mode among the tenant's `most` newest ones."""
        ...

    async def unconfirmed(self, *, most: int) -> int:
        """The number of unconfirmed messages of this mode among the `most` newest that ever were unconfirmed."""
        ...


class Heard(Struct, frozen=True, kw_only=True):
    """An account's webhooks: when the last one came (None if none was found), and how many failed."""

    last_at: datetime | None = None
    set_aside: int = 0


class WebhooksHeard(Protocol):
    """Webhooks by account. Only the platform's own database login may read them."""

    async def of(self, tenant_id: TenantId) -> Mapping[AccountId, Heard]:
        """Each account of the tenant, in both modes. Raises StoreUnavailable.

        The last webhook is looked for among the tenant's newest 1 000, failed ones among the newest 10 000 of all
        tenants.
        """
        ...
