"""Every provider: its adapter and its look-alike, written apart from each other, understand one another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web
from msgspec.structs import replace

from messaging.application.ports.providers.lookup import Sought
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.webhooks import Referred, WebhookReader, WebhookRequest
from messaging.domain.content.content import Text
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.retry import Sent
from messaging.domain.shared.ids import AccountId
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.composition.providers import prefix_of
from messaging.entrypoints.lab.dev.stack import provider_urls
from messaging.entrypoints.sandbox import LOOK_ALIKES, Sandbox, SandboxConfig, Settings
from messaging.entrypoints.sandbox.core import server
from tests.conformance.parrot.adapter import PROVIDER as PARROT
from tests.conformance.parrot.look_alike.app import Parrot
from tests.conformance.subject import REFERENCE, Endpoint
from tests.conformance.trying import Asking, Candidate, an_adapter

_QUICK = Settings(webhook_delay_min_ms=1, webhook_delay_max_ms=3, webhook_retry_initial_ms=5)


class Receiver:
    """Takes webhooks as the platform does: what a provider called is told by the public URL, not by a header. It is
    also whom a provider's door gives what comes through it.
    """

    def __init__(self) -> None:
        self.url = ""
        self.received: asyncio.Queue[WebhookRequest] = asyncio.Queue()

    async def take(self, request: web.Request) -> web.Response:
        url = self.url + request.raw_path
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.received.put_nowait(WebhookRequest(method=request.method, url=url, headers=headers, body=body))
        return web.Response()

    async def knows(self, account_id: AccountId, reference: str) -> bool:
        return reference == REFERENCE

    async def __call__(self, referred: Referred) -> bool:
        url = f"{self.url}/webhooks?{referred.query}"
        webhook = WebhookRequest(method=referred.method, url=url, headers=referred.headers, body=referred.body)
        self.received.put_nowait(webhook)
        return True


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver, app = Receiver(), web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    receiver.url = f"http://{host}:{port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
async def sandbox(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    config = SandboxConfig(state_dir=tmp_path_factory.mktemp("conformance"), settings=_QUICK)
    look_alikes = {PARROT.name: Parrot, **LOOK_ALIKES}
    async with server.serving(lambda config: Sandbox(config, look_alikes), config) as url:
        yield url


async def test_a_send_to_the_sandbox_is_in_the_ledger_and_its_receipts_come(candidate: Candidate, sandbox: str) -> None:
    nowhere = Endpoint(host="live.invalid", port=1)
    async with (
        receiving() as receiver,
        httpx.AsyncClient(base_url=sandbox, trust_env=False) as control,
        an_adapter(candidate, nowhere, sandbox_url=sandbox, webhooks_url=receiver.url) as adapter,
        nullcontext() if adapter.door is None else adapter.door.open(receiver),
    ):
        use = candidate.subject.sandbox
        connection = await use.open(control, receiver.url)
        if use.door is not None:
            await use.door(control, adapter)
        outgoing = replace(candidate.outgoing(nowhere, recipient=use.recipient), connection=connection)

        result = await adapter.gateway.send(outgoing, may_start=Asking())

        assert isinstance(result, Sent), result
        entry = (await _entries(control, candidate))[-1]
        assert (entry["message_id"], entry["reference"]) == (result.provider_message_id, REFERENCE)
        assert set(entry) >= {"to", "sender", "received_at", "body"}
        await _told(candidate, adapter.webhooks, receiver, connection, result)


async def test_under_app_dev_a_live_account_reaches_the_sandbox_and_nobody_outside(
    candidate: Candidate, sandbox: str
) -> None:
    nowhere = Endpoint(host="live.invalid", port=1)
    prefix = f"APP_{prefix_of(candidate.provider)}_"
    urls = provider_urls(sandbox, [candidate.provider])
    given = {name.removeprefix(prefix).lower(): url for name, url in urls.items()}
    async with (
        httpx.AsyncClient(base_url=sandbox, trust_env=False) as control,
        an_adapter(candidate, nowhere, settings=candidate.provider.settings(**given)) as adapter,
    ):
        use = candidate.subject.sandbox
        connection = replace(await use.open(control, "http://127.0.0.1:9"), mode=Mode.LIVE)
        ordinary = candidate.outgoing(nowhere, recipient=use.recipient)
        outgoing = replace(ordinary, connection=connection, reference=f"{REFERENCE[:-1]}0")
        before = await _entries(control, candidate)

        result = await adapter.gateway.send(outgoing, may_start=Asking())

        assert isinstance(result, Sent), result
        *others, entry = await _entries(control, candidate)
        assert others == before
        assert entry["message_id"] == result.provider_message_id


async def test_what_it_claims_to_tell_of_a_message_the_sandbox_tells(candidate: Candidate, sandbox: str) -> None:
    can = candidate.provider.capabilities
    if not can.can_look_up and not can.can_find:
        pytest.skip("the provider cannot be asked about a message")
    nowhere, started_at = Endpoint(host="live.invalid", port=1), datetime.now(UTC)
    async with (
        httpx.AsyncClient(base_url=sandbox, trust_env=False) as control,
        an_adapter(candidate, nowhere, sandbox_url=sandbox) as adapter,
    ):
        if adapter.lookup is None:
            pytest.skip("it is asked only if the operator says so")
        connection = await candidate.subject.sandbox.open(control, "http://127.0.0.1:9")
        # Told apart from all others by its text, as a message to be found has to be.
        content = Text(body="Told apart by these words") if isinstance(candidate.subject.content, Text) else None
        outgoing = replace(candidate.outgoing(nowhere, content=content), connection=connection)
        sent = await adapter.gateway.send(outgoing, may_start=Asking())
        assert isinstance(sent, Sent), sent
        sender = outgoing.sender_external_id
        sought = Sought(
            sender_external_id=sender,
            sender_address=outgoing.sender_address,
            recipient=outgoing.recipient,
            content=outgoing.content,
            reference=REFERENCE,
            started_at=started_at,
        )
        async with asyncio.timeout(60):
            while can.can_look_up:
                if told := await adapter.lookup.history(connection, sender, sent.provider_message_id):
                    assert {receipt.provider_message_id for receipt in told} == {sent.provider_message_id}
                    break
                await asyncio.sleep(0.01)
        if can.can_find:
            found = await adapter.lookup.find(connection, sought)
            assert {receipt.provider_message_id for receipt in found} == {sent.provider_message_id}
            other = replace(sought, started_at=started_at - timedelta(days=2))
            assert await adapter.lookup.find(connection, other) == []


async def test_a_provider_that_takes_idempotency_keys_takes_a_repeated_send_once(
    candidate: Candidate, sandbox: str
) -> None:
    if not candidate.provider.capabilities.takes_idempotency_key:
        pytest.skip("the provider takes no idempotency keys")
    nowhere = Endpoint(host="live.invalid", port=1)
    async with (
        httpx.AsyncClient(base_url=sandbox, trust_env=False) as control,
        an_adapter(candidate, nowhere, sandbox_url=sandbox) as adapter,
    ):
        connection = await candidate.subject.sandbox.open(control, "http://127.0.0.1:9")
        one, next_ = (
            replace(candidate.outgoing(nowhere), connection=connection, reference=f"{REFERENCE[:-1]}{digit}")
            for digit in "12"
        )
        results = [await adapter.gateway.send(each, may_start=Asking()) for each in (one, one, next_)]

        first, again, other = (each.provider_message_id for each in results if isinstance(each, Sent))
        assert first == again != other
        ids = [entry["message_id"] for entry in await _entries(control, candidate)]
        assert (ids.count(first), ids.count(other)) == (1, 1)


async def _entries(control: httpx.AsyncClient, candidate: Candidate) -> list[dict[str, Any]]:
    """The ledger's entries of the provider."""
    page = (await control.get("/_ledger")).json()
    return [entry for entry in page["data"] if entry["provider"] == candidate.provider.name]


async def _told(
    candidate: Candidate, reader: WebhookReader, receiver: Receiver, connection: Connection, sent: Sent
) -> None:
    """Wait until every kind of receipt has come, each webhook signed as the account's secret has it."""
    missing = set(candidate.subject.sandbox.reaches)
    async with asyncio.timeout(60):
        while missing:
            webhook = await receiver.received.get()
            now = datetime.now(UTC)
            if candidate.subject.webhooks.signed is not None:
                assert await reader.verify(webhook, connection.credentials, now=now), webhook
            receipts = [event for event in reader.read(webhook, received_at=now) if isinstance(event, Receipt)]
            assert {receipt.provider_message_id for receipt in receipts} <= {sent.provider_message_id, ""}
            assert {receipt.reference for receipt in receipts} <= {REFERENCE}
            missing -= {receipt.kind for receipt in receipts}
