"""Incidents that tests share: two drafts, and an id that nothing has."""

from typing import Any
from uuid import UUID

from messaging.domain.shared.ids import IncidentId
from messaging.domain.status.components import Component
from messaging.domain.status.incident import Impact, Incident, Update
from tests.builders import NOON

NOBODY = IncidentId(UUID("019df2d9-4c00-7000-8000-0000000001fe"))


def an_incident(number: int = 1, **changes: Any) -> Incident:
    """A draft about late SMS."""
    fields: dict[str, Any] = {
        "id": IncidentId(UUID(f"019df2d9-4c00-7000-8000-0000000001{number:02}")),
        "title": "SMS arrive <late>",
        "impact": Impact.DEGRADED,
        "components": (Component.SMS,),
        "updates": (Update(NOON, "We look for the cause & tell."),),
        "drafted_at": NOON,
    }
    return Incident(**(fields | changes))


FIRST = an_incident(1)
SECOND = an_incident(2, impact=Impact.OUTAGE, components=(Component.ACCEPT, Component.WEBHOOKS))
