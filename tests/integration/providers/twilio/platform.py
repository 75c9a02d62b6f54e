"""The platform as composed in production, with one tenant whose Twilio account is connected to the sandbox."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
from msgspec import Struct

from messaging.adapters.providers.twilio.credentials import Credentials
from messaging.application.messages.accepting.assess import Submission
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.content.content import Content, Text
from messaging.domain.messages.message import Priority
from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.lab.dev.processes.ports import free_ports
from messaging.entrypoints.lab.dev.servers.logins import Logins
from messaging.entrypoints.observability.asgi import AsgiApp
from messaging.entrypoints.sandbox import SandboxConfig, serving
from messaging.entrypoints.sandbox import Settings as SandboxSettings
from messaging.entrypoints.settings.settings import Settings, load
from messaging.entrypoints.webhooks.app import create_app
from tests.builders import ACCOUNT as ACCOUNT_ID
from tests.builders import TENANT, a_principal, a_sender, a_tenant, an_account
from tests.integration.providers.twilio.sending import ACCOUNT, NUMBER, SERVICE, TOKEN
from tests.logins import database_settings
from tests.unit.application.webhooks.doubles import Counts

HOOKS_TOKEN = an_account().webhook_token
PATH = f"/webhooks/twilio/{HOOKS_TOKEN}"
_QUICK = SandboxSettings(webhook_delay_min_ms=0, webhook_delay_max_ms=5, webhook_retry_initial_ms=20)
# Seconds; generous, because the machine may be busy.
_WITHIN = 60


class Platform(Struct, frozen=True):
    database: str
    application: Application
    app: AsgiApp
    public_url: str
    sandbox: httpx.AsyncClient

    async def value(self, query: str, *arguments: object) -> Any:
        """The one value that the query finds, as the superuser sees it."""
        connection = await asyncpg.connect(self.database)
        try:
            return await connection.fetchval(query, *arguments)
        finally:
            await connection.close()

    async def submit(self, to: str, content: Content | None = None) -> str:
        """The UUID of an accepted message."""
        submission = Submission(to=to, channel=Channel.SMS, content=content or Text(body="Your order has shipped."))
        reply = await self.application.messages.submit().one(a_principal(mode=Mode.TEST), submission)
        return str(parse_typeid(Prefix.MESSAGE, msgspec.json.decode(reply.body)["id"]))

    async def deliver(self) -> None:
        for priority in Priority:
            await self.application.delivering.deliver()(DeliverLane(Channel.SMS, priority))

    async def state(self, id: str) -> str:
        return str(await self.value("SELECT state FROM messages WHERE id = $1::uuid", id))

    async def until(self, id: str, state: str) -> None:
        async def reached() -> bool:
            await self.deliver()
            await self.application.webhooks.process()()
            await self.application.delivering.resolve_unknown()()
            return await self.state(id) == state

        await eventually(reached)


async def eventually(look: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_WITHIN):
        while not await look():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def running(
    database: str, redis_url: str, logins: Logins, state: Path, *, sender: str = NUMBER
) -> AsyncIterator[Platform]:
    """A worker's use cases in this process; webhooks application and sandbox behind real sockets. `sender` is the
    tenant's only sender, as Twilio calls it.
    """
    port = free_ports().webhooks
    public_url = f"http://127.0.0.1:{port}"
    async with serving(SandboxConfig(state_dir=state, settings=_QUICK)) as sandbox_url:
        environ = {
            **database_settings(database, logins),
            "APP_REDIS_URL": redis_url,
            "APP_MASTER_KEY": bytes(range(32)).hex(),
            "APP_DATABASE_POOL_SIZE": "4",
            "APP_SANDBOX_BASE_URL": sandbox_url,
            "APP_WEBHOOKS_PUBLIC_URL": public_url,
        }
        settings = load(Settings, environ)
        async with open_resources(settings) as resources:
            application = build(settings, resources, worker="test")
            app = create_app(application)
            await _connect_tenant(application, sender)
            async with (
                listening(app, host="127.0.0.1", port=port, telemetry=Counts()),
                httpx.AsyncClient(base_url=sandbox_url, trust_env=False) as sandbox,
            ):
                joined = {
                    "sid": ACCOUNT,
                    "auth_token": TOKEN,
                    "numbers": [{"phone_number": NUMBER, "sms_url": f"{public_url}{PATH}"}],
                    "services": [{"sid": SERVICE, "senders": [NUMBER]}],
                }
                answer = await sandbox.post("/_control/twilio/accounts", json=joined)
                assert answer.is_success, answer.text
                yield Platform(database, application, app, public_url, sandbox)


async def _connect_tenant(application: Application, sender_id: str) -> None:
    adapters = application.adapters
    key = adapters.key_ring().new_data_key(TENANT)
    cipher = adapters.key_ring().cipher(TENANT, (key,))
    sealed = seal_credentials(ACCOUNT_ID, Credentials(auth_tokens=(TOKEN,)), cipher)
    async with adapters.open_system_uow()() as system:
        await system.platform.add_tenant(a_tenant(), key)
        await system.commit()
    async with adapters.open_uow()(TENANT, Mode.TEST) as uow:
        account = an_account(provider="twilio", mode=Mode.TEST, external_id=ACCOUNT, sealed_credentials=sealed)
        await uow.accounts.add_account(account)
        sender = a_sender(
            channel=Channel.SMS, mode=Mode.TEST, external_id=sender_id, address=NUMBER, name="Northwind", per_second=100
        )
        await uow.senders.add_sender(sender)
        await uow.commit()
