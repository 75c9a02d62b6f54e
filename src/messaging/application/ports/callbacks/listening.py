"""Port that tells from memory whether anybody wants to hear of a tenant's events."""

from typing import Protocol

from messaging.domain.shared.ids import TenantId
from messaging.domain.shared.mode import Mode


class Listening(Protocol):
    """Asked where messages are accepted and delivered, so it reads no database and never waits.

    A change of endpoints is known to every process within a second. While the database cannot be asked, everybody
    counts as listening: an event too many is dropped later, one too few is lost.
    """

    def listening(self, tenant_id: TenantId, mode: Mode) -> bool:
        """Whether the tenant has an endpoint of this mode that is not deleted."""
        ...
