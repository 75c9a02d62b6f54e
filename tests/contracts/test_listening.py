"""The fake and Postgres answer alike which tenants have endpoints."""

from uuid import UUID

import pytest

from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.ports.callbacks.listening import Listening
from messaging.domain.callbacks.endpoint import EndpointStatus
from messaging.domain.shared.ids import CallbackEndpointId
from messaging.domain.shared.mode import Mode
from tests.builders import OTHER_TENANT, TENANT, an_endpoint
from tests.fakes.listening import InMemoryListening
from tests.seeding import seed_other_tenant, seed_tenant


@pytest.fixture(params=["in_memory", "postgres"])
async def listening(request: pytest.FixtureRequest, engines: Engines) -> Listening:
    """One tenant has a paused endpoint in live mode; the other has deleted the only one it had."""
    if request.param == "in_memory":
        return InMemoryListening((TENANT, Mode.LIVE))
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    gone = an_endpoint(id=CallbackEndpointId(UUID(int=7)), tenant_id=OTHER_TENANT, status=EndpointStatus.DELETED)
    for endpoint in (an_endpoint(status=EndpointStatus.PAUSED), gone):
        async with PostgresUnitOfWorkFactory(engines.app)(endpoint.tenant_id, Mode.LIVE) as uow:
            await uow.callback_endpoints.add(endpoint)
            await uow.commit()
    snapshots = PostgresSnapshots(engines.system)
    await snapshots.look()
    return snapshots


async def test_a_tenant_listens_in_the_modes_that_it_has_an_endpoint_in(listening: Listening) -> None:
    assert listening.listening(TENANT, Mode.LIVE)
    assert not listening.listening(TENANT, Mode.TEST)
    assert not listening.listening(OTHER_TENANT, Mode.LIVE)
