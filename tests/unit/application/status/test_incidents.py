"""Incidents are drafted and taken through their steps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from messaging.application.status.incidents import ChangeIncident, DraftIncident, ListIncidents, Step
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.status.components import Component
from messaging.domain.status.incident import Impact, IncidentStatus
from tests.fakes.incidents import InMemoryIncidents
from tests.incidents import FIRST, NOBODY, SECOND
from tests.unit.application.webhooks.doubles import FixedClock


class World:
    def __init__(self) -> None:
        self.incidents = InMemoryIncidents(FIRST)
        self.commits = 0
        shared: Any = {"open_system_uow": self.open, "clock": FixedClock()}
        self.draft = DraftIncident(new_id=lambda: UUID(int=SECOND.id.int), **shared)
        self.change = ChangeIncident(**shared)
        self.list = ListIncidents(**shared)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Any]:
        yield self

    async def commit(self) -> None:
        self.commits += 1


async def test_a_draft_is_stored_and_names_a_component_once() -> None:
    world = World()

    view = await world.draft(
        title="Out", impact=Impact.OUTAGE, components=[Component.SMS, Component.SMS], text="We look."
    )

    assert (view.status, view.components) == (IncidentStatus.DRAFT, (Component.SMS,))
    assert (world.commits, SECOND.id in world.incidents.stored) == (1, True)


async def test_an_incident_is_taken_through_its_steps() -> None:
    world = World()
    for step in Step:
        view = await world.change(FIRST.id, step, f"Said to {step}.")

    assert [update.text for update in view.updates][1:] == ["Said to update.", "Said to resolve."]
    assert view.post_mortem == "Said to explain."
    assert not view.post_mortem_overdue
    assert world.commits == 4


async def test_who_names_nothing_is_told_so_and_nothing_is_changed() -> None:
    world = World()

    with pytest.raises(DomainError) as refused:
        await world.change(NOBODY, Step.PUBLISH)

    assert (refused.value.code, world.commits) == ("not_found", 0)


async def test_incidents_are_listed_newest_first() -> None:
    world = World()
    await world.incidents.add(SECOND)

    page = await world.list(before=None, limit=1)

    assert [view.id for view in page.items] == [typeid(Prefix.INCIDENT, SECOND.id)]
