"""What does a caller learn when something on our side is wrong, and what does the log?"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
from dependency_injector.providers import Object
from litestar.types import ASGIApp
from structlog.testing import capture_logs

from messaging.application.gather import Gatherer
from messaging.application.messages.accepting.submit import StoreDoors, SubmitMessages
from messaging.application.ports.submissions import Acceptance, AcceptOutcome, Submissions
from messaging.application.tenants.queries import WhoAmI
from messaging.application.tenants.views import WhoAmIView
from messaging.domain.tenants.tenant import Principal
from messaging.entrypoints.api.app import create_app
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings, load
from tests.integration.api.answers import problem
from tests.integration.api.callers import Platform, Shop

Write = Callable[[Sequence[Acceptance]], Awaitable[Sequence[AcceptOutcome]]]


@asynccontextmanager
async def client(app: ASGIApp) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar's scopes are stricter than httpx's
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        yield client


class Broken(WhoAmI):
    async def __call__(self, principal: Principal) -> WhoAmIView:
        raise RuntimeError("SELECT secret FROM somewhere")


async def test_a_bug_is_logged_with_its_trace_and_told_without(application: Application, quiet_shop: Shop) -> None:
    broken = Broken(snapshots=application.adapters.snapshots())
    with application.tenants.who_am_i.override(Object(broken)):
        app = create_app(application)

    with capture_logs() as logs:
        async with client(app) as caller:
            response = await caller.get("/v1/key", headers={"Authorization": f"Bearer {quiet_shop.key}"})

    problem(response, 500, "internal_error")
    assert "secret" not in response.text
    (failure,) = [line for line in logs if line["event"] == "request.failed"]
    assert isinstance(failure["exc_info"], RuntimeError)


async def test_without_the_database_the_answer_is_503_and_when_to_try_again(
    quiet_shop: Shop, redis_url: str, unused_tcp_port: int
) -> None:
    settings = load(
        Settings,
        {
            "APP_DATABASE_URL": f"postgresql://nobody:nothing@127.0.0.1:{unused_tcp_port}/nowhere",
            "APP_REDIS_URL": redis_url,
            "APP_MASTER_KEY": bytes(range(32)).hex(),
        },
    )
    async with open_resources(settings) as resources:
        application = build(settings, resources, worker="test")
        async with client(create_app(application)) as caller:
            response = await caller.post(
                "/v1/messages", json=quiet_shop.message(), headers={"Authorization": f"Bearer {quiet_shop.key}"}
            )

    problem(response, 503, "store_unavailable")
    assert int(response.headers["retry-after"]) > 0


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/batch"])
async def test_more_submissions_than_may_wait_are_told_when_to_come_back(
    application: Application, shop: Shop, path: str
) -> None:
    begun, free = asyncio.Event(), asyncio.Event()
    submissions: Submissions = application.adapters.submissions()

    async def write(batch: Sequence[Acceptance]) -> Sequence[AcceptOutcome]:
        begun.set()
        await free.wait()
        return await submissions.accept_many(batch)

    with application.messages.submit.override(Object(_submitting(application, write))):
        app = create_app(application)
    body = shop.message() if path == "/v1/messages" else {"messages": [shop.message()]}
    async with client(app) as caller, asyncio.TaskGroup() as group:

        def send() -> asyncio.Task[httpx.Response]:
            return group.create_task(caller.post(path, json=body, headers={"Authorization": f"Bearer {shop.key}"}))

        written = send()
        await begun.wait()
        (surplus,), (waiting,) = await asyncio.wait((send(), send()), return_when=asyncio.FIRST_COMPLETED)
        free.set()

    problem(surplus.result(), 503, "overloaded")
    assert int(surplus.result().headers["retry-after"]) > 0
    assert written.result().status_code == waiting.result().status_code == 202


def _submitting(application: Application, write: Write) -> SubmitMessages:
    """With room for one that is being written and one that waits."""
    parts = {name: provider() for name, provider in application.messages.submit.kwargs.items()}
    one, batch = (Gatherer(write, capacity=1, writers=1, max_batch=1) for _ in range(2))
    known = application.adapters.submissions().known
    return SubmitMessages(**(parts | {"doors": StoreDoors(one=one, batch=batch, known=known)}))


async def test_each_request_is_one_line_in_the_log_without_recipients_or_keys(
    quiet_shop: Shop, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO", logger="access")

    await quiet_shop.get("/v1/messages?to=%2B14155550142", headers={"X-Request-Id": "r-1"})
    await quiet_shop.get("/v1/senders/snd_of_somebody", headers={"X-Request-Id": "+14155550142"})
    await asyncio.sleep(0)

    written = capsys.readouterr().err
    first, second = [json.loads(line) for line in written.splitlines()]
    assert (first["event"], first["method"], first["route"], first["status"]) == ("request", "GET", "/v1/messages", 200)
    assert (first["tenant"], first["request_id"]) == (quiet_shop.tenant, "r-1")
    assert (first["level"], first["logger"], first["process"]) == ("info", "access", "api")
    assert {"at", "trace_id", "ms"} <= first.keys()
    assert (second["route"], second["status"]) == ("/v1/senders/{sender_id}", 404)
    assert "14155550142" not in written
    assert quiet_shop.key not in written


async def test_no_line_is_written_below_the_wanted_level(
    quiet_shop: Shop, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("WARNING", logger="access")

    await quiet_shop.get("/v1/messages")
    await asyncio.sleep(0)

    assert capsys.readouterr().err == ""


async def test_every_answer_carries_the_safe_headers(platform: Platform) -> None:
    for path in ("/v1/key", "/nothing", "/openapi.json"):
        response = await platform.client.get(path, headers={"X-Request-Id": "x" * 200})

        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-request-id"].startswith("req_")


async def test_a_caller_that_goes_away_while_sending_leaves_nothing_behind(app: ASGIApp, quiet_shop: Shop) -> None:
    sent: list[dict[str, object]] = []
    parts = asyncio.Queue[dict[str, object]]()
    parts.put_nowait({"type": "http.request", "body": b'{"to": ', "more_body": True})
    parts.put_nowait({"type": "http.disconnect"})
    headers = [(b"authorization", f"Bearer {quiet_shop.key}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/messages",
        "raw_path": b"/v1/messages",
        "query_string": b"",
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("api.test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
    }

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await app(scope, parts.get, send)  # type: ignore[arg-type]

    assert sent[0]["status"] == 400
    assert (await quiet_shop.get("/v1/messages")).json()["data"] == []


@pytest.fixture
def unused_tcp_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
