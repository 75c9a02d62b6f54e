"""Drafts, publishes, updates, resolves and explains the incidents of the status page.

`by` is the administrator's key that asks; the command line asks without one. Incidents are about the whole platform:
what is written of them is public, so it names no tenant.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Final
from uuid import UUID

from msgspec import Struct

from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.paging import Page, page_of
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.domain.shared.ids import IncidentId, KeyId, Prefix, typeid
from messaging.domain.shared.refusals import not_found
from messaging.domain.status.components import Component
from messaging.domain.status.incident import Impact, Incident, IncidentStatus, Update

log = logging.getLogger(__name__)


class Step(StrEnum):
    """What becomes of an incident. Each but `publish` comes with a text."""

    PUBLISH = "publish"
    UPDATE = "update"
    RESOLVE = "resolve"
    EXPLAIN = "explain"


_STEPS: Final[Mapping[Step, Callable[[Incident, str, datetime], Incident]]] = {
    Step.PUBLISH: lambda incident, _, now: incident.published(now=now),
    Step.UPDATE: lambda incident, text, now: incident.told(text, now=now),
    Step.RESOLVE: lambda incident, text, now: incident.resolved(text, now=now),
    Step.EXPLAIN: lambda incident, text, now: incident.explained(text, now=now),
}


class IncidentUpdateView(Struct, frozen=True, kw_only=True):
    """What was told of an incident, and when."""

    at: datetime
    text: str


class IncidentView(Struct, frozen=True, kw_only=True):
    """An incident of the status page."""

    id: str
    title: str
    impact: Impact
    components: Sequence[Component]
    status: IncidentStatus
    updates: Sequence[IncidentUpdateView]
    drafted_at: datetime
    published_at: datetime | None
    resolved_at: datetime | None
    post_mortem: str | None
    post_mortem_at: datetime | None
    post_mortem_due_at: datetime | None
    post_mortem_overdue: bool


def view_of(incident: Incident, *, now: datetime) -> IncidentView:
    return IncidentView(
        id=typeid(Prefix.INCIDENT, incident.id),
        title=incident.title,
        impact=incident.impact,
        components=incident.components,
        status=incident.status,
        updates=[IncidentUpdateView(at=update.at, text=update.text) for update in incident.updates],
        drafted_at=incident.drafted_at,
        published_at=incident.published_at,
        resolved_at=incident.resolved_at,
        post_mortem=incident.post_mortem,
        post_mortem_at=incident.post_mortem_at,
        post_mortem_due_at=incident.post_mortem_due_at,
        post_mortem_overdue=incident.is_overdue(now),
    )


class DraftIncident:
    """Nobody but administrators sees a draft."""

    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork, clock: Clock, new_id: NewId) -> None:
        self._open = open_system_uow
        self._clock = clock
        self._new_id = new_id

    async def __call__(
        self, *, title: str, impact: Impact, components: Sequence[Component], text: str, by: KeyId | None = None
    ) -> IncidentView:
        now = self._clock.now()
        incident = Incident(
            id=IncidentId(self._new_id()),
            title=title,
            impact=impact,
            components=tuple(dict.fromkeys(components)),
            updates=(Update(now, text),),
            drafted_at=now,
        )
        async with self._open() as uow:
            await uow.incidents.add(incident)
            await uow.commit()
        log.info("incident.drafted", extra={"incident_id": str(incident.id), "by": str(by)})
        return view_of(incident, now=now)


class ChangeIncident:
    """Takes one step. Raises DomainError: `not_found`, `state_conflict`."""

    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork, clock: Clock) -> None:
        self._open = open_system_uow
        self._clock = clock

    async def __call__(self, id: IncidentId, step: Step, text: str = "", *, by: KeyId | None = None) -> IncidentView:
        now = self._clock.now()
        async with self._open() as uow:
            incident = await uow.incidents.lock(id)
            if incident is None:
                raise not_found()
            changed = _STEPS[step](incident, text, now)
            await uow.incidents.save(changed)
            await uow.commit()
        log.info("incident.changed", extra={"incident_id": str(id), "step": step.value, "by": str(by)})
        return view_of(changed, now=now)


class ListIncidents:
    """Newest first, drafts included."""

    def __init__(self, *, open_system_uow: OpenSystemUnitOfWork, clock: Clock) -> None:
        self._open = open_system_uow
        self._clock = clock

    async def __call__(self, *, before: UUID | None, limit: int) -> Page[IncidentView, UUID]:
        async with self._open() as uow:
            found = await uow.incidents.page(before=before, limit=limit + 1)
        return page_of(found, limit, lambda incident: incident.id, partial(view_of, now=self._clock.now()))
