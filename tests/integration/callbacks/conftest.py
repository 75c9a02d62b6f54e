"""A tenant that listens, on an empty database."""

import pytest

from messaging.adapters.postgres.session.engine import Engines
from tests.integration.callbacks.telling import Telling


@pytest.fixture
async def telling(engines: Engines, database: str) -> Telling:
    told = Telling(engines, database)
    await told.seed()
    return told
