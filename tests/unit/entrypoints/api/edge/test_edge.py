"""Which metrics does a request leave behind, and who answers it?"""

import asyncio
import io
import json
import logging

import httpx
import pytest
from litestar import Litestar, get
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Scope, Send

from messaging.entrypoints.api.edge.edge import Edge
from messaging.entrypoints.observability.access_log import AccessLog
from messaging.entrypoints.observability.redaction import Redaction
from tests.fakes.telemetry import Counts


class Recorded(Counts):
    """The `Telemetry` port, remembering in order."""

    def __init__(self, *, sample: float = 0.0) -> None:
        super().__init__(sample=sample)
        self.counts: list[tuple[str, dict[str, str]]] = []
        self.observations: list[tuple[str, dict[str, str]]] = []

    def count(self, name: str, value: int = 1, **labels: str) -> None:
        self.counts.append((name, labels))

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.observations.append((name, labels))

    def gauge(self, name: str, value: float, **labels: str) -> None:
        raise AssertionError(name)


@get("/v1/messages/{message_id:str}")
async def find(message_id: FromPath[str]) -> str:
    return message_id


@get("/readyz")
async def ready() -> str:
    return "ready"


async def express(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 202, "headers": []})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def ask(telemetry: Recorded, method: str, path: str, **headers: str) -> httpx.Response:
    app: ASGIApp = Edge(
        Litestar([find, ready], openapi_config=None, logging_config=None),
        express={("POST", "/fast"): express},
        log=AccessLog(process="api", redaction=Redaction()),
        telemetry=telemetry,
    )
    transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # Litestar's scopes are stricter than httpx's
    async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
        return await client.request(method, path, headers=headers)


async def test_requests_are_counted_by_template_and_never_by_path() -> None:
    telemetry = Recorded()

    await ask(telemetry, "GET", "/v1/messages/msg_1")
    await ask(telemetry, "BREW", "/coffee")

    first = {"method": "GET", "route": "/v1/messages/{message_id}"}
    assert telemetry.counts[0] == ("http_requests", first | {"status": "200"})
    assert telemetry.observations[0] == ("http_request_seconds", first)
    assert telemetry.counts[1][1] == {"method": "other", "route": "unmatched", "status": "404"}


async def test_probes_are_not_counted() -> None:
    telemetry = Recorded()

    await ask(telemetry, "GET", "/readyz")

    assert telemetry.counts == []


async def test_only_the_very_method_and_address_are_answered_without_the_framework() -> None:
    answers = [await ask(Recorded(), *to) for to in (("POST", "/fast"), ("GET", "/fast"), ("POST", "/fast/"))]

    assert [answer.status_code for answer in answers] == [202, 404, 404]
    assert all("x-request-id" in answer.headers for answer in answers)


async def test_the_lines_of_one_turn_of_the_loop_are_written_whole(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="access")
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)

    await ask(Recorded(), "GET", "/v1/messages/msg_1")
    await ask(Recorded(), "GET", "/v1/messages/msg_2")
    await asyncio.sleep(0)

    assert [json.loads(line)["status"] for line in stream.getvalue().splitlines()] == [200, 200]


CALLERS = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"}


async def test_a_sampled_request_leaves_one_span_below_the_callers_and_names_it_in_its_answer() -> None:
    telemetry = Recorded(sample=1.0)

    answer = await ask(telemetry, "GET", "/v1/messages/msg_1", **CALLERS)

    [span] = telemetry.spans
    assert (span.trace_id, span.parent_id) == ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    assert (span.name, span.kind, span.error) == ("GET /v1/messages/{message_id}", "server", None)
    assert span.attributes["http.response.status_code"] == 200
    assert answer.headers["traceparent"] == f"00-{span.trace_id}-{span.span_id}-01"


async def test_a_request_that_is_not_sampled_leaves_no_span() -> None:
    telemetry = Recorded()

    answer = await ask(telemetry, "GET", "/v1/messages/msg_1", **CALLERS)

    assert telemetry.spans == []
    assert answer.headers["traceparent"].endswith("-00")
