"""Events of providers, in a list."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from messaging.application.ports.provider_events import NewProviderEvent, ProviderEventFilter, ProviderEventRow
from messaging.domain.shared.ids import AccountId, EventId
from messaging.domain.shared.mode import Mode, TenantScope


class InMemoryProviderEvents:
    """`modes` are the accounts' modes, `scope` is whose page is shown."""

    def __init__(self, modes: Mapping[AccountId, Mode], scope: TenantScope | None = None) -> None:
        self.events: list[NewProviderEvent] = []
        self._modes = modes
        self._scope = scope

    async def add(self, events: Sequence[NewProviderEvent]) -> AbstractSet[EventId]:
        added = set()
        for event in events:
            told = {(known.tenant_id, known.account_id, known.digest) for known in self.events}
            if (event.tenant_id, event.account_id, event.digest) not in told:
                self.events.append(event)
                added.add(event.id)
        return added

    async def page(
        self, wanted: ProviderEventFilter, *, before: EventId | None, limit: int, largest: int
    ) -> Sequence[ProviderEventRow]:
        newest = sorted(self._own(), key=lambda event: event.id, reverse=True)
        return [
            _row(event, largest)
            for event in newest
            if (before is None or event.id < before)
            and wanted.kind in (None, event.kind)
            and wanted.account_id in (None, event.account_id)
        ][:limit]

    async def one(self, id: EventId) -> ProviderEventRow | None:
        return next((_row(event, event.size) for event in self._own() if event.id == id), None)

    def _own(self) -> list[NewProviderEvent]:
        assert self._scope is not None
        tenant_id, mode = self._scope
        return [event for event in self.events if (event.tenant_id, self._modes[event.account_id]) == (tenant_id, mode)]


def _row(event: NewProviderEvent, largest: int) -> ProviderEventRow:
    return ProviderEventRow(
        id=event.id,
        account_id=event.account_id,
        webhook_id=event.webhook_id,
        kind=event.kind,
        sender_external_id=event.sender_external_id,
        occurred_at=event.occurred_at,
        received_at=event.received_at,
        size=event.size,
        sealed=event.sealed if event.size <= largest else None,
    )
