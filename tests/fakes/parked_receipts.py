"""Parked receipts in a dict."""

from collections.abc import Sequence
from datetime import UTC, datetime

from messaging.application.ports.parked_receipts import ParkedReceipt
from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import AccountId, TenantId

_Place = tuple[TenantId, AccountId, Receipt]


class InMemoryParkedReceipts:
    """`parked` holds each with the instant of its next look, None for soon."""

    def __init__(self) -> None:
        self.parked: dict[_Place, tuple[ParkedReceipt, datetime | None]] = {}

    async def park(self, parked: Sequence[ParkedReceipt]) -> None:
        for item in parked:
            self.parked.setdefault(_place(item), (item, None))

    async def lock(self, provider_ids: Sequence[tuple[AccountId, str]]) -> Sequence[ParkedReceipt]:
        return [
            item
            for item, _ in self.parked.values()
            if (item.account_id, item.receipt.provider_message_id) in provider_ids
        ]

    async def lock_due(self, limit: int) -> Sequence[ParkedReceipt]:
        now = datetime.now(UTC)
        return [item for item, at in self.parked.values() if at is not None and at <= now][:limit]

    async def unpark(self, matched: Sequence[ParkedReceipt]) -> None:
        for item in matched:
            self.parked.pop(_place(item), None)

    async def park_again(self, unmatched: Sequence[tuple[ParkedReceipt, datetime | None]]) -> None:
        for item, at in unmatched:
            again = ParkedReceipt(
                tenant_id=item.tenant_id,
                account_id=item.account_id,
                receipt=item.receipt,
                parked_at=item.parked_at,
                tries=item.tries + 1,
            )
            del self.parked[_place(item)]
            if at is not None:
                self.parked[_place(again)] = (again, at)


def _place(item: ParkedReceipt) -> _Place:
    return item.tenant_id, item.account_id, item.receipt
