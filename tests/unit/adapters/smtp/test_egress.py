"""What a mail server may be, when a tenant names it: the guard of all hosts that tenants name, on ports for mail."""

import socket
import sys
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any, Final

import pytest

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.providers.smtp.wire.egress import Egress
from messaging.adapters.providers.smtp.wire.exchange import Interrupted, Lost, Unfit
from tests.egress_vectors import INSIDE_4, INSIDE_6, NAMES_INSIDE, members

PORTS: Final = (25, 465, 587)
_seen: list[str] = []


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect" and args[0].type == socket.SOCK_STREAM and isinstance(args[1], tuple):
        _seen.append(str(args[1][0]))


sys.addaudithook(_watch)


@pytest.fixture
def connected() -> list[str]:
    """The addresses of the connections begun in this test, told by the interpreter."""
    _seen.clear()
    return _seen


async def refusal(egress: Egress, host: str, port: int) -> Unfit | Lost:
    with pytest.raises(Interrupted) as refused:
        await egress.connect(host, port)
    await egress.aclose()
    end = refused.value.end
    assert isinstance(end, Unfit | Lost)
    return end


def answering(*addresses: str) -> Egress:
    def lookup(_: str) -> Sequence[str]:
        return addresses

    return Egress(AddressRule(), ports=PORTS, lookup=lookup)


@pytest.mark.parametrize(("kind", "address"), [*members(INSIDE_4), *members(INSIDE_6)])
async def test_a_server_at_an_address_inside_is_not_connected_to(kind: str, address: str, connected: list[str]) -> None:
    end = await refusal(answering(address), "mail.example", 587)

    assert isinstance(end, Unfit)
    assert (end.code, end.of_account) == ("host_not_allowed", True)
    assert connected == []


@pytest.mark.parametrize(("kind", "host"), members(NAMES_INSIDE))
async def test_no_name_leads_inside(kind: str, host: str, connected: list[str]) -> None:
    assert isinstance(await refusal(answering("127.0.0.1", "::1", "10.0.0.1"), host, 587), Unfit)
    assert connected == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "0177.0.0.1", "127.1", "::1"])
async def test_no_spelling_of_this_machine_s_name_reaches_it(host: str, connected: list[str]) -> None:
    """The machine's own resolver is asked, which knows some of these spellings and not others."""
    await refusal(Egress(AddressRule(), ports=PORTS), host, 25)

    assert connected == []


@pytest.mark.parametrize("port", [22, 80, 6379])
async def test_another_port_is_none_for_mail(port: int, connected: list[str]) -> None:
    end = await refusal(Egress(AddressRule(allow=[ip_network("127.0.0.0/8")]), ports=PORTS), "127.0.0.1", port)

    assert isinstance(end, Unfit)
    assert end.code == "host_not_allowed"
    assert connected == []


async def test_a_host_that_the_operator_s_networks_hold_is_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        egress = Egress(AddressRule(allow=[ip_network("127.0.0.0/8")]), ports=[port])

        with await egress.connect("localhost", port) as opened:
            assert opened.getpeername() == ("127.0.0.1", port)
        await egress.aclose()


async def test_a_name_without_an_address_is_unknown() -> None:
    end = await refusal(answering(), "mail.example", 587)

    assert isinstance(end, Lost)
    assert end.code == "host_unknown"
