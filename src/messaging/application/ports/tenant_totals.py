"""Port for how many messages each tenant has had, for operators' dashboards; counted afterwards, minute by minute."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode


class TenantTotal(Struct, frozen=True, kw_only=True):
    """The number of a tenant's messages on a channel that had this status when they were counted. It never falls."""

    tenant_id: TenantId
    mode: Mode
    channel: Channel
    status: str
    messages: int


class TenantTotals(Protocol):
    """Totals of all tenants. One process at a time counts; every method raises StoreUnavailable."""

    async def count(self, name: str) -> bool:
        """Count the messages that were accepted since the last count, each five minutes after it was accepted.

        Returns whether the process `name` is the one that counts; it stays the one as long as it calls at least every
        90 seconds.
        """
        ...

    async def of_tenants(self, most: int | None) -> Sequence[TenantTotal]:
        """The totals of the `most` tenants with the most messages; None for all tenants."""
        ...
