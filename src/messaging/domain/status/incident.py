"""An incident on the status page: drafted, published, told of in updates, resolved, and explained within 48 hours."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import IncidentId
from messaging.domain.status.components import Component, ComponentState

# How long after its end an incident is to be explained.
EXPLAINED_WITHIN: Final = timedelta(hours=48)
# More than anybody reads; an incident is one row.
MOST_UPDATES: Final = 200


class IncidentStatus(StrEnum):
    DRAFT = "draft"
    PUBLISHED = "published"
    RESOLVED = "resolved"


class Impact(StrEnum):
    DEGRADED = "degraded"
    OUTAGE = "outage"

    @property
    def state(self) -> ComponentState:
        return ComponentState(self.value)


class Update(Struct, frozen=True):
    """What was told at a time. The text of a draft is told when it is published."""

    at: datetime
    text: str


class Incident(Struct, frozen=True, kw_only=True):
    id: IncidentId
    title: str
    impact: Impact
    components: tuple[Component, ...]
    updates: tuple[Update, ...]
    drafted_at: datetime
    status: IncidentStatus = IncidentStatus.DRAFT
    published_at: datetime | None = None
    resolved_at: datetime | None = None
    post_mortem: str | None = None
    post_mortem_at: datetime | None = None

    @property
    def post_mortem_due_at(self) -> datetime | None:
        """When the explanation is due; None before the end."""
        return None if self.resolved_at is None else self.resolved_at + EXPLAINED_WITHIN

    def is_overdue(self, now: datetime) -> bool:
        due_at = self.post_mortem_due_at
        return self.post_mortem is None and due_at is not None and due_at <= now

    @property
    def is_open(self) -> bool:
        return self.status is IncidentStatus.PUBLISHED

    def published(self, *, now: datetime) -> "Incident":
        """Raises DomainError `state_conflict`, as the other changes do."""
        self._require(IncidentStatus.DRAFT, "It is published already.")
        updates = tuple(replace(update, at=now) for update in self.updates)
        return replace(self, status=IncidentStatus.PUBLISHED, published_at=now, updates=updates)

    def told(self, text: str, *, now: datetime) -> "Incident":
        self._require(IncidentStatus.PUBLISHED, "Only published incidents that are not resolved have updates.")
        if len(self.updates) >= MOST_UPDATES:
            raise DomainError("state_conflict", f"It has {MOST_UPDATES} updates. Resolve it and draft another one.")
        return replace(self, updates=(*self.updates, Update(now, text)))

    def resolved(self, text: str, *, now: datetime) -> "Incident":
        self._require(IncidentStatus.PUBLISHED, "Only published incidents that are not resolved can be resolved.")
        updates = (*self.updates, Update(now, text))
        return replace(self, status=IncidentStatus.RESOLVED, resolved_at=now, updates=updates)

    def explained(self, text: str, *, now: datetime) -> "Incident":
        """A later explanation takes the place of the one before; the time of the first one counts."""
        self._require(IncidentStatus.RESOLVED, "It is not resolved yet: resolve it first.")
        return replace(self, post_mortem=text, post_mortem_at=self.post_mortem_at or now)

    def _require(self, status: IncidentStatus, otherwise: str) -> None:
        if self.status is not status:
            raise DomainError("state_conflict", f"The incident is {self.status}. {otherwise}")
