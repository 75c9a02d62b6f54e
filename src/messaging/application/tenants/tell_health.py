"""Reads the shared health of senders, to be shown beside their settings."""

from collections.abc import Mapping, Sequence

from messaging.application.ports.sender_health import HealthRecords, HealthRecordsUnavailable
from messaging.application.tenants.views import SenderHealthView
from messaging.domain.messages.pacing.sender_health import HEALTHY, Subject
from messaging.domain.messages.retry import Scope
from messaging.domain.shared.ids import SenderId
from messaging.domain.tenants.tenant import Sender


class TellHealth:
    """Reads the health of senders; it is unknown while Redis is away."""

    def __init__(self, *, records: HealthRecords) -> None:
        self._records = records

    async def __call__(self, senders: Sequence[Sender]) -> Mapping[SenderId, SenderHealthView]:
        subjects = {sender.id: (Subject(Scope.SENDER, sender.id), _account(sender)) for sender in senders}
        if not subjects:
            return {}
        try:
            sight = await self._records.read(list({subject for pair in subjects.values() for subject in pair}))
        except HealthRecordsUnavailable:
            return {}
        known = sight.known
        return {
            id: SenderHealthView.of(known.get(own, HEALTHY), known.get(account, HEALTHY), now=sight.now)
            for id, (own, account) in subjects.items()
        }

    async def of(self, sender: Sender) -> SenderHealthView | None:
        return (await self([sender])).get(sender.id)


def _account(sender: Sender) -> Subject:
    return Subject(Scope.ACCOUNT, sender.account_id)
