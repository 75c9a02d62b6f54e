"""No URL that a tenant can name reaches a listener that is not public: 0 of all vectors reach the canary.

Two witnesses are asked, and neither is the code that is tried: the canary counts its connections, and an audit hook of
the interpreter sees the address of every connection that this process begins.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

import pytest

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.http.safe_egress.exchange import HttpCallbackExchange, Limits
from messaging.application.ports.callbacks.delivering.exchange import Answered, CallbackRequest, Exchanged, NoAnswer
from messaging.entrypoints.settings.outbound import OutboundSettings
from tests.egress_vectors import INSIDE_4, INSIDE_6, NAMES_INSIDE, SPELLINGS, members, urls
from tests.endpoint import Endpoint, an_endpoint, saying

# The one address that stands for the public network; the rest of loopback is inside.
PUBLIC: Final = "127.0.0.1"
INSIDE: Final = "127.0.0.2"
DENIED: Final = OutboundSettings().outbound_denied_ports.ports

_seen: list[str] = []


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and args[0].type == socket.SOCK_STREAM and isinstance(args[1], tuple):
        _seen.append(str(args[1][0]))


sys.addaudithook(_watch)


@pytest.fixture
def connected() -> Iterator[list[str]]:
    """The addresses of the connections begun in this test."""
    _seen.clear()
    yield _seen
    _seen.clear()


@pytest.fixture
async def canary() -> AsyncIterator[Endpoint]:
    """A listener on all addresses of this machine, which nobody may reach."""
    async with AsyncExitStack() as stack:
        canary = await stack.enter_async_context(an_endpoint("0.0.0.0"))
        if socket.has_dualstack_ipv6():
            six = await asyncio.start_server(canary.serve, "::1", canary.port)
            stack.callback(six.close)
        yield canary


class Resolver:
    """Answers for names, each time with the next of what is listed for them; the last is repeated."""

    def __init__(self, **names: Sequence[Sequence[str]]) -> None:
        self.answers = {name.replace("_", "."): list(answers) for name, answers in names.items()}
        self.asked: list[str] = []

    def __call__(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        answers = self.answers.get(host)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return answers.pop(0) if len(answers) > 1 else answers[0]


async def post(url: str, *, rule: AddressRule | None = None, lookup: Any = None) -> Exchanged:
    options = {} if lookup is None else {"lookup": lookup}
    exchange = HttpCallbackExchange(rule or AddressRule(), limits=Limits(connect=10), denied_ports=DENIED, **options)
    try:
        return await exchange.post(CallbackRequest(url=url, headers={}, body=b"{}", timeout=20, pool="cbe_1"))
    finally:
        await exchange.aclose()


def refused(answer: Exchanged) -> bool:
    return isinstance(answer, NoAnswer) and answer.failure == "address_not_public" and answer.peer is None


async def test_the_canary_can_be_reached_where_the_operator_allows_it(canary: Endpoint, connected: list[str]) -> None:
    answer = await post(f"http://127.0.0.3:{canary.port}/", rule=AddressRule(allow=[ip_network("127.0.0.0/8")]))

    assert isinstance(answer, Answered)
    assert canary.connections == 1
    assert connected == ["127.0.0.3"]


@pytest.mark.parametrize(("kind", "address"), [*members(INSIDE_4), *members(INSIDE_6)])
async def test_no_address_inside_is_connected_to_as_a_literal_or_by_a_name(
    kind: str, address: str, canary: Endpoint, connected: list[str]
) -> None:
    literal = f"[{address}]" if ":" in address else address
    by_name = Resolver(public_example=[[address]])

    answers = [
        await post(f"http://{literal}:{canary.port}/"),
        await post(f"http://public.example:{canary.port}/", lookup=by_name),
    ]

    assert all(map(refused, answers)), answers
    assert (canary.connections, connected) == (0, [])


@pytest.mark.parametrize(("kind", "host"), members(SPELLINGS))
async def test_no_spelling_of_this_machine_s_name_reaches_it(
    kind: str, host: str, canary: Endpoint, connected: list[str]
) -> None:
    answer = await post(f"http://{host}:{canary.port}/")

    assert refused(answer), answer
    assert (canary.connections, connected) == (0, [])


@pytest.mark.parametrize(("kind", "url"), urls())
async def test_no_part_of_a_url_leads_inside(kind: str, url: str, canary: Endpoint, connected: list[str]) -> None:
    everything_is_here = Resolver(**{"public_example": [[PUBLIC]], "localhost": [[PUBLIC]]})

    answer = await post(url.replace("PORT", str(canary.port)), lookup=everything_is_here)

    assert refused(answer), answer
    assert (canary.connections, connected) == (0, [])


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "::ffff:169.254.169.254"])
@pytest.mark.parametrize(("kind", "host"), members(NAMES_INSIDE))
async def test_no_name_leads_inside_whoever_answers_for_it(
    kind: str, host: str, address: str, canary: Endpoint, connected: list[str]
) -> None:
    lookup = Resolver()
    lookup.answers[host.lower()] = [[address]]

    answer = await post(f"http://{host}:{canary.port}/", lookup=lookup)

    assert refused(answer), answer
    assert lookup.asked == [host.lower()]
    assert (canary.connections, connected) == (0, [])


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", socket.gethostname()])
async def test_this_machine_s_own_names_lead_nowhere(host: str, canary: Endpoint, connected: list[str]) -> None:
    answer = await post(f"http://{host}:{canary.port}/")

    assert isinstance(answer, NoAnswer)
    assert (canary.connections, connected) == (0, [])


async def test_a_name_that_turns_inside_between_two_callbacks_is_refused_the_second_time(connected: list[str]) -> None:
    lookup = Resolver(turning_example=[[PUBLIC], [INSIDE]])
    rule = AddressRule(allow=[ip_network(PUBLIC)])
    async with an_endpoint(PUBLIC) as outside, an_endpoint(INSIDE, port=outside.port) as inside:
        url = f"http://turning.example:{outside.port}/"

        first, second = await post(url, rule=rule, lookup=lookup), await post(url, rule=rule, lookup=lookup)

        assert isinstance(first, Answered)
        assert refused(second)
        assert (outside.connections, inside.connections, connected) == (1, 0, [PUBLIC])


async def test_a_name_is_asked_once_a_connection_so_it_cannot_turn_between_check_and_connect(
    connected: list[str],
) -> None:
    """With a lifetime of 0 seconds the next answer is another; a guard that asks by itself would see the good one."""
    lookup = Resolver(turning_example=[[INSIDE], [PUBLIC]])
    async with an_endpoint(INSIDE) as inside:
        answer = await post(
            f"http://turning.example:{inside.port}/", rule=AddressRule(allow=[ip_network(PUBLIC)]), lookup=lookup
        )

        assert refused(answer)
        assert lookup.asked == ["turning.example"]
        assert (inside.connections, connected) == (0, [])


@pytest.mark.parametrize("answer", [[PUBLIC, INSIDE], [INSIDE, PUBLIC], [INSIDE, "::1", PUBLIC], ["::1", PUBLIC]])
async def test_of_a_mixed_answer_only_the_public_address_is_connected_to(
    answer: list[str], connected: list[str]
) -> None:
    lookup = Resolver(mixed_example=[answer])
    async with an_endpoint(PUBLIC) as outside, an_endpoint(INSIDE, port=outside.port) as inside:
        result = await post(
            f"http://mixed.example:{outside.port}/", rule=AddressRule(allow=[ip_network(PUBLIC)]), lookup=lookup
        )

        assert isinstance(result, Answered)
        assert (outside.connections, inside.connections, connected) == (1, 0, [PUBLIC])


@pytest.mark.parametrize("answer", [[PUBLIC, INSIDE], [INSIDE, PUBLIC]])
async def test_when_the_public_address_is_down_the_other_is_still_not_tried(
    answer: list[str], connected: list[str]
) -> None:
    lookup = Resolver(mixed_example=[answer])
    async with an_endpoint(INSIDE) as inside:
        result = await post(
            f"http://mixed.example:{inside.port}/", rule=AddressRule(allow=[ip_network(PUBLIC)]), lookup=lookup
        )

        assert isinstance(result, NoAnswer)
        assert result.failure == "refused"
        assert (inside.connections, set(connected)) == (0, {PUBLIC})


async def test_of_thousands_of_addresses_few_are_looked_at(connected: list[str]) -> None:
    lookup = Resolver(many_example=[[f"10.{n // 256}.{n % 256}.1" for n in range(5_000)]])

    assert refused(await post("http://many.example:9000/", lookup=lookup))
    assert connected == []


@pytest.mark.parametrize("host", ["unknown.example", "empty.example"])
async def test_a_name_without_an_address_is_a_failure_of_dns(host: str) -> None:
    answer = await post(f"http://{host}:9000/", lookup=Resolver(empty_example=[[]]))

    assert isinstance(answer, NoAnswer)
    assert answer.failure == "dns"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "location", ["http://INSIDE/", "//INSIDE/", "/elsewhere", "file:///etc/passwd", "http://public.example/", "INSIDE"]
)
async def test_redirects_are_answers_and_not_followed(status: int, location: str, connected: list[str]) -> None:
    async with an_endpoint(PUBLIC) as outside, an_endpoint(INSIDE, port=outside.port) as inside:
        target = location.replace("INSIDE", f"{INSIDE}:{inside.port}")
        outside.manner = saying(f"HTTP/1.1 {status} Go\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n".encode())

        answer = await post(f"http://{PUBLIC}:{outside.port}/", rule=AddressRule(allow=[ip_network("127.0.0.0/8")]))

        assert isinstance(answer, Answered)
        assert (answer.status, answer.headers["location"]) == (status, target)
        assert (len(outside.received), inside.connections, connected) == (1, 0, [PUBLIC])


@pytest.mark.parametrize(
    "header",
    ["refresh: 0; url=URL", 'alt-svc: h2="HOST"; ma=86400', "link: <URL>; rel=preload", "content-location: URL"],
)
async def test_headers_that_name_another_place_are_not_followed(header: str, connected: list[str]) -> None:
    async with an_endpoint(PUBLIC) as outside, an_endpoint(INSIDE, port=outside.port) as inside:
        host = f"{INSIDE}:{inside.port}"
        line = header.replace("URL", f"http://{host}/").replace("HOST", host)
        outside.manner = saying(f"HTTP/1.1 200 OK\r\n{line}\r\ncontent-length: 0\r\n\r\n".encode())
        rule = AddressRule(allow=[ip_network("127.0.0.0/8")])

        answers = [await post(f"http://{PUBLIC}:{outside.port}/", rule=rule) for _ in range(2)]

        assert all(isinstance(answer, Answered) for answer in answers)
        assert (len(outside.received), inside.connections, set(connected)) == (2, 0, {PUBLIC})


@pytest.mark.parametrize("name", ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"])
async def test_a_proxy_of_the_environment_is_not_asked(
    name: str, monkeypatch: pytest.MonkeyPatch, canary: Endpoint, connected: list[str]
) -> None:
    monkeypatch.setenv(name, f"http://{INSIDE}:{canary.port}")

    answer = await post("http://public.example:9000/", lookup=Resolver(public_example=[["10.0.0.1"]]))

    assert refused(answer)
    assert (canary.connections, connected) == (0, [])


async def test_passwords_of_the_environment_are_not_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    passwords = tmp_path / "netrc"
    passwords.write_text(f"machine {PUBLIC}\nlogin me\npassword secret\n")
    os.chmod(passwords, 0o600)
    monkeypatch.setenv("NETRC", str(passwords))
    async with an_endpoint(PUBLIC) as outside:
        await post(f"http://{PUBLIC}:{outside.port}/", rule=AddressRule(allow=[ip_network(PUBLIC)]))

        assert b"authorization" not in outside.received[0].head.lower()


async def test_nothing_tells_whether_a_port_inside_is_open() -> None:
    async with an_endpoint(INSIDE) as inside:
        opened = await post(f"http://{INSIDE}:{inside.port}/")
    closed = await post(f"http://{INSIDE}:{inside.port}/")

    assert isinstance(opened, NoAnswer)
    assert isinstance(closed, NoAnswer)
    assert (opened.failure, opened.detail, opened.peer) == (closed.failure, closed.detail, closed.peer)
    assert INSIDE not in opened.detail
