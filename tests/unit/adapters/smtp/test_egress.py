"""What a mail server's address may be, when a tenant names it."""

from ipaddress import ip_network

import pytest

from messaging.adapters.providers.smtp.wire.egress import Egress
from messaging.adapters.providers.smtp.wire.exchange import Interrupted, Unfit

PUBLIC = Egress(ports=[25, 465, 587])

INSIDE = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
169.254.169.254 169.254.0.1 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.88.99.1 192.168.0.1 198.18.0.1
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::1 ::ffff:127.0.0.1 ::ffff:7f00:1 ::ffff:169.254.169.254 ::ffff:0:7f00:1 ::127.0.0.1 64:ff9b::a00:1 64:ff9b:1::1
2002:7f00:1:: 2001::1 2001:10::1 2001:20::1 2001:db8::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%eth0
fec0::1 ff02::1 100::1 4000::1 e000::1
"""


@pytest.mark.parametrize("address", INSIDE.split())
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not PUBLIC.allows(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "172.15.0.1", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:8.8.8.8"]
)
def test_a_public_address_is_allowed(address: str) -> None:
    assert PUBLIC.allows(address)


def test_the_operator_may_list_networks() -> None:
    egress = Egress(networks=[ip_network("10.1.0.0/16")], ports=[25])

    assert egress.allows("10.1.2.3")
    assert egress.allows("::ffff:10.1.2.3")
    assert not egress.allows("10.2.0.1")


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("127.0.0.1", 25), ("localhost", 587), ("0x7f000001", 25), ("2130706433", 25), ("0177.0.0.1", 25),
        ("127.1", 25), ("::1", 25), ("8.8.8.8", 22), ("8.8.8.8", 6379),
    ],
)  # fmt: skip
async def test_nothing_is_connected_to_a_host_inside_or_another_port(host: str, port: int) -> None:
    with pytest.raises(Interrupted) as refused:
        await PUBLIC.connect(host, port)

    assert isinstance(refused.value.end, Unfit)
    assert refused.value.end.code == "host_not_allowed"
    assert refused.value.end.of_account
