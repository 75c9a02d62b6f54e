"""Composes the status page from what the platform knows of itself and from its published incidents.

Without PostgreSQL the page is composed all the same: everything is out then, and the incidents are those last read.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from messaging.application.ports.callbacks.delivering.depths import CallbackVitals
from messaging.application.ports.clock import Clock
from messaging.application.ports.health import ProcessState
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, StoreUnavailable
from messaging.domain.channels.address import Channel
from messaging.domain.status.components import (
    Component,
    ComponentState,
    Figures,
    LaneFigures,
    judge,
    worst,
)
from messaging.domain.status.incident import Incident, IncidentStatus

log = logging.getLogger(__name__)

# Incidents that are looked through, and how long one stays on the page after its end.
_NEWEST: Final = 200
_SHOWN_FOR: Final = timedelta(days=90)


class StatusPage(Struct, frozen=True, kw_only=True):
    """What the page shows. `incidents` are published ones, newest first."""

    at: datetime
    overall: ComponentState
    components: Mapping[Component, ComponentState]
    incidents: Sequence[Incident]


class ComposeStatus:
    """`probe` asks the other processes; its answers are the figures without those of the store."""

    def __init__(
        self,
        *,
        health: ProcessState,
        callbacks: CallbackVitals,
        open_system_uow: OpenSystemUnitOfWork,
        probe: Callable[[], Awaitable[Figures]],
        channels: Collection[Channel],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._health = health
        self._callbacks = callbacks
        self._open = open_system_uow
        self._probe = probe
        self._channels = channels
        self._clock = clock
        self._telemetry = telemetry
        self._incidents: Sequence[Incident] = ()

    async def __call__(self) -> StatusPage:
        figures, now = await self._probe(), self._clock.now()
        try:
            depths = await self._callbacks.depths()
            late = max(depths.oldest_due, depths.oldest_pending)
            figures = replace(figures, store_answers=True, lanes=await self._lanes(now), callbacks_late=late)
            self._incidents = await self._read_incidents()
            overdue = sum(incident.is_overdue(now) for incident in self._incidents)
            self._telemetry.gauge("post_mortems_overdue", overdue)
        except StoreUnavailable:
            log.warning("status.store_unavailable", extra={"store": "postgres"})
            figures = replace(figures, store_answers=False)
        shown = [incident for incident in self._incidents if _is_shown(incident, now)]
        components = _with_incidents(judge(figures, self._channels), shown)
        return StatusPage(at=now, overall=worst(components.values()), components=components, incidents=shown)

    async def _read_incidents(self) -> Sequence[Incident]:
        async with self._open() as uow:
            return await uow.incidents.page(before=None, limit=_NEWEST)

    async def _lanes(self, now: datetime) -> tuple[LaneFigures, ...]:
        due = {depth.lane: depth.oldest_due_at for depth in await self._health.lane_depths()}
        return tuple(
            LaneFigures(
                channel=lane.channel,
                priority=lane.priority.value,
                oldest_due=_seconds(due.get(lane), now),
                workers=workers,
            )
            for lane, workers in (await self._health.lane_workers()).items()
        )


def _seconds(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def _is_shown(incident: Incident, now: datetime) -> bool:
    ended = incident.resolved_at
    return incident.status is not IncidentStatus.DRAFT and (ended is None or now - ended < _SHOWN_FOR)


def _with_incidents(
    states: Mapping[Component, ComponentState], incidents: Sequence[Incident]
) -> Mapping[Component, ComponentState]:
    """A component is at least as bad as the open incidents about it say: people know more than figures."""
    told = [
        (component, incident.impact.state)
        for incident in incidents
        if incident.is_open
        for component in incident.components
    ]
    return {
        component: worst([state, *(impact for of, impact in told if of is component)])
        for component, state in states.items()
    }
