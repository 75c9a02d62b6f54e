"""A tenant with two senders of one account, and one process that delivers for it."""

import pytest

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.domain.shared.mode import Mode
from tests import builders
from tests.builders import ACCOUNT, TENANT
from tests.integration.delivery.delivering import BUSY_SENDER, KEYS, RING, Delivery


@pytest.fixture
async def delivery(engines: Engines) -> Delivery:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as system:
        await system.platform.add_tenant(builders.a_tenant(), KEYS[0])
        await system.commit()
    cipher = RING.cipher(TENANT, KEYS)
    sealed = seal_credentials(ACCOUNT, Credentials(access_token="t0ken", app_secrets=()), cipher)
    async with PostgresUnitOfWorkFactory(engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.accounts.add_account(builders.an_account(sealed_credentials=sealed))
        await uow.senders.add_sender(builders.a_sender())
        await uow.senders.add_sender(builders.a_sender(id=BUSY_SENDER, external_id="106540352242923"))
        await uow.templates.add_template(builders.a_template())
        await uow.commit()
    return Delivery(engines)
