"""The command line's incidents of the status page, made straight through the use cases: also while the API is down."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from messaging.application.status.incidents import IncidentView, Step
from messaging.domain.shared.ids import IncidentId, Prefix, parse_typeid
from messaging.domain.shared.refusals import not_found
from messaging.domain.status.components import Component
from messaging.domain.status.incident import Impact
from messaging.entrypoints.composition.commands.read_all import read_all
from messaging.entrypoints.composition.containers import build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings


async def draft(settings: Settings, *, title: str, impact: str, components: Sequence[str], text: str) -> IncidentView:
    async with _status(settings) as status:
        view: IncidentView = await status.draft_incident()(
            title=title, impact=Impact(impact), components=[Component(name) for name in components], text=text
        )
    return view


async def list_all(settings: Settings, *, page: int) -> tuple[IncidentView, ...]:
    """All of them, read in pages of the given size."""
    async with _status(settings) as status:
        found: tuple[IncidentView, ...] = await read_all(status.list_incidents(), page=page)
    return found


async def change(settings: Settings, incident_id: str, step: str, text: str = "") -> IncidentView:
    """A malformed id names nothing, like an unknown one."""
    id = parse_typeid(Prefix.INCIDENT, incident_id)
    if id is None:
        raise not_found()
    async with _status(settings) as status:
        view: IncidentView = await status.change_incident()(IncidentId(id), Step(step), text)
    return view


@asynccontextmanager
async def _status(settings: Settings) -> AsyncIterator[Any]:
    async with open_resources(settings) as resources:
        yield build(settings, resources, worker="command line").status
