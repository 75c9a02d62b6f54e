"""Incidents of the status page in a dict."""

from collections.abc import Sequence
from uuid import UUID

from messaging.domain.shared.ids import IncidentId
from messaging.domain.status.incident import Incident


class InMemoryIncidents:
    def __init__(self, *incidents: Incident) -> None:
        self.stored: dict[UUID, Incident] = {incident.id: incident for incident in incidents}

    async def add(self, incident: Incident) -> None:
        self.stored[incident.id] = incident

    async def lock(self, id: IncidentId) -> Incident | None:
        return self.stored.get(id)

    async def save(self, incident: Incident) -> None:
        if incident.id in self.stored:
            self.stored[incident.id] = incident

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[Incident]:
        newest_first = [self.stored[id] for id in sorted(self.stored, reverse=True)]
        return [incident for incident in newest_first if before is None or incident.id < before][:limit]
