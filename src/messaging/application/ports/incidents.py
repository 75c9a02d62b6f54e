"""Port for storing the incidents of the status page."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from messaging.domain.shared.ids import IncidentId
from messaging.domain.status.incident import Incident


class Incidents(Protocol):
    """The incidents of the whole platform. Bound to an open transaction of the platform."""

    async def add(self, incident: Incident) -> None: ...

    async def lock(self, id: IncidentId) -> Incident | None:
        """The incident, locked: other transactions that lock it wait. None if there is no such incident."""
        ...

    async def save(self, incident: Incident) -> None:
        """Write an incident that is stored already."""
        ...

    async def page(self, *, before: UUID | None, limit: int) -> Sequence[Incident]:
        """A page of all incidents, newest first, drafts included."""
        ...
