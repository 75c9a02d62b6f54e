"""The exchange over HTTP and the one in memory do the same for the same endpoint."""

from collections.abc import AsyncIterator, Mapping
from ipaddress import ip_network
from typing import Protocol

import pytest

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.http.safe_egress.exchange import HttpCallbackExchange
from messaging.application.ports.callbacks.delivering.exchange import (
    Answered,
    CallbackExchange,
    CallbackRequest,
    NoAnswer,
)
from tests.endpoint import Endpoint, an_endpoint, saying
from tests.fakes.exchange import FakeExchange, an_answer

BODY = b'{"type":"endpoint.test","timestamp":"2026-11-29T10:15:02.114Z","data":{}}'


class World(Protocol):
    """An exchange with one endpoint, at `url`; nothing is public at `inside`."""

    url: str
    inside: str

    @property
    def exchange(self) -> CallbackExchange: ...

    def answers(self, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> None: ...

    def bodies(self) -> list[bytes]: ...


class InMemory:
    url = "https://receiver.example/hooks?a=b"
    inside = "https://inside.example/"

    def __init__(self) -> None:
        self.exchange = FakeExchange()
        self.exchange.inside.add("inside.example")

    def answers(self, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> None:
        self.exchange.behaviours[self.url] = an_answer(status, body, **headers)

    def bodies(self) -> list[bytes]:
        return [request.body for request in self.exchange.posted]


class OverHttp:
    """Loopback stands for the public network, all but one address of it."""

    def __init__(self, endpoint: Endpoint, exchange: HttpCallbackExchange) -> None:
        self.exchange = exchange
        self.url = f"http://127.0.0.1:{endpoint.port}/hooks?a=b"
        self.inside = f"http://127.0.0.2:{endpoint.port}/"
        self._endpoint = endpoint

    def answers(self, status: int, reason: str, headers: Mapping[str, str], body: bytes) -> None:
        lines = [f"HTTP/1.1 {status} {reason}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self._endpoint.manner = saying("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def bodies(self) -> list[bytes]:
        return [received.body for received in self._endpoint.received]


@pytest.fixture(params=["in_memory", "over_http"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "in_memory":
        yield InMemory()
        return
    exchange = HttpCallbackExchange(AddressRule(allow=[ip_network("127.0.0.1/32")]))
    async with an_endpoint() as endpoint:
        yield OverHttp(endpoint, exchange)
        await exchange.aclose()


def a_request(url: str, **headers: str) -> CallbackRequest:
    return CallbackRequest(url=url, headers=headers, body=BODY, timeout=30, pool="cbe_1")


async def test_exactly_the_body_is_posted_once_and_the_answer_given_back(world: World) -> None:
    world.answers(200, "OK", {"webhook-delivery": "abort-message"}, b"thanks")

    answer = await world.exchange.post(a_request(world.url))

    assert isinstance(answer, Answered)
    assert (answer.status, answer.excerpt, answer.headers["webhook-delivery"]) == (200, b"thanks", "abort-message")
    assert answer.peer
    assert answer.ms >= 0
    assert world.bodies() == [BODY]


@pytest.mark.parametrize(("status", "reason"), [(302, "Found"), (410, "Gone"), (429, "Slow down"), (503, "Not now")])
async def test_every_status_is_an_answer_and_none_is_followed_or_repeated(
    world: World, status: int, reason: str
) -> None:
    world.answers(status, reason, {"location": world.inside}, b"")

    answer = await world.exchange.post(a_request(world.url))

    assert isinstance(answer, Answered)
    assert (answer.status, answer.headers["location"]) == (status, world.inside)
    assert len(world.bodies()) == 1


async def test_nothing_is_posted_to_a_host_inside(world: World) -> None:
    answer = await world.exchange.post(a_request(world.inside))

    assert isinstance(answer, NoAnswer)
    assert (answer.failure, answer.peer, answer.sent) == ("address_not_public", None, False)
    assert answer.detail
    assert world.bodies() == []


async def test_a_header_that_would_end_early_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="header"):
        await world.exchange.post(a_request(world.url, token="a\r\nhost: inside"))

    assert world.bodies() == []
