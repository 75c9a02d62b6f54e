"""The fake and Postgres keep incidents alike."""

from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.ports.incidents import Incidents
from tests.builders import NOON
from tests.fakes.incidents import InMemoryIncidents
from tests.incidents import FIRST, NOBODY, SECOND


@pytest.fixture(params=["in_memory", "postgres"])
async def incidents(request: pytest.FixtureRequest, engines: Engines) -> AsyncIterator[Incidents]:
    """With two in it."""
    if request.param == "in_memory":
        yield InMemoryIncidents(FIRST, SECOND)
        return
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        await uow.incidents.add(SECOND)
        await uow.incidents.add(FIRST)
        yield uow.incidents


async def test_incidents_are_listed_newest_first(incidents: Incidents) -> None:
    assert list(await incidents.page(before=None, limit=9)) == [SECOND, FIRST]
    assert list(await incidents.page(before=None, limit=1)) == [SECOND]
    assert list(await incidents.page(before=SECOND.id, limit=9)) == [FIRST]


async def test_an_incident_is_read_as_it_was_saved(incidents: Incidents) -> None:
    ended = FIRST.published(now=NOON).told("More.", now=NOON).resolved("Over.", now=NOON).explained("Why.", now=NOON)

    await incidents.save(ended)

    assert await incidents.lock(FIRST.id) == ended
    assert await incidents.lock(SECOND.id) == SECOND
    assert await incidents.lock(NOBODY) is None


async def test_what_is_not_there_is_not_saved(incidents: Incidents) -> None:
    await incidents.save(replace(FIRST, id=NOBODY))

    assert await incidents.lock(NOBODY) is None
