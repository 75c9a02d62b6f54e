"""The platform as composed in production, with one tenant whose WhatsApp account is connected."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from msgspec import Struct

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.ports.secrets import TenantCipher
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.providers import settings_groups
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.lab.dev.servers.logins import Logins
from messaging.entrypoints.observability.asgi import AsgiApp
from messaging.entrypoints.settings.settings import Settings, load
from messaging.entrypoints.webhooks.app import create_app
from tests.builders import ACCOUNT, TENANT, a_sender, a_template, a_tenant, an_account
from tests.integration.webhooks.meta import APP_SECRET, VERIFY_TOKEN
from tests.logins import database_settings

TOKEN = an_account().webhook_token
PATH = f"/webhooks/whatsapp_cloud/{TOKEN}"


class Platform(Struct, frozen=True):
    database: str
    settings: Settings
    application: Application
    app: AsgiApp
    cipher: TenantCipher

    async def rows(self, query: str, *arguments: object) -> list[Mapping[str, Any]]:
        """As the superuser sees them."""
        connection = await asyncpg.connect(self.database)
        try:
            return [dict(row) for row in await connection.fetch(query, *arguments)]
        finally:
            await connection.close()

    async def value(self, query: str, *arguments: object) -> Any:
        (row,) = await self.rows(query, *arguments)
        (value,) = row.values()
        return value

    async def process(self) -> int:
        handled: int = await self.application.webhooks.process()()
        return handled


@asynccontextmanager
async def platform_on(
    database: str, redis_url: str, logins: Logins | None = None, **changes: str
) -> AsyncIterator[Platform]:
    settings = load(
        Settings,
        {
            **({"APP_DATABASE_URL": database} if logins is None else database_settings(database, logins)),
            "APP_REDIS_URL": redis_url,
            "APP_MASTER_KEY": bytes(range(32)).hex(),
            "APP_DATABASE_POOL_SIZE": "4",
            **changes,
        },
        settings_groups,
    )
    async with open_resources(settings) as resources:
        application = build(settings, resources, worker="test")
        cipher = await _connect_tenant(application)
        yield Platform(database, settings, application, create_app(application), cipher)


async def _connect_tenant(application: Application) -> TenantCipher:
    adapters = application.adapters
    key = adapters.key_ring().new_data_key(TENANT)
    cipher: TenantCipher = adapters.key_ring().cipher(TENANT, (key,))
    credentials = Credentials(access_token="EAAtoken", app_secrets=("old", APP_SECRET), verify_token=VERIFY_TOKEN)
    async with adapters.open_system_uow()() as system:
        await system.platform.add_tenant(a_tenant(), key)
        await system.commit()
    async with adapters.open_uow()(TENANT, Mode.LIVE) as uow:
        sealed = seal_credentials(ACCOUNT, credentials, cipher)
        await uow.accounts.add_account(an_account(sealed_credentials=sealed))
        await uow.senders.add_sender(a_sender())
        await uow.templates.add_template(a_template())
        await uow.commit()
    return cipher
