"""Which addresses of hosts that tenants name are connected to."""

from ipaddress import IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.adapters.http.safe_egress.addresses import AddressRule, is_of_this_machine
from tests.egress_vectors import INSIDE_4, INSIDE_6, OUTSIDE, members

PUBLIC = AddressRule(is_own=lambda _: False)


@pytest.mark.parametrize(("kind", "address"), [*members(INSIDE_4), *members(INSIDE_6)])
def test_an_address_that_is_not_public_is_refused(kind: str, address: str) -> None:
    assert not PUBLIC.allows(address)


@pytest.mark.parametrize(("kind", "address"), members(INSIDE_4))
def test_an_address_inside_stays_inside_when_it_is_wrapped(kind: str, address: str) -> None:
    assert not PUBLIC.allows(f"::ffff:{address}")


@pytest.mark.parametrize("address", OUTSIDE.split())
def test_a_public_address_is_allowed(address: str) -> None:
    assert PUBLIC.allows(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.2.3.4/32", "8.8.8.8 ", "::g"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not PUBLIC.allows(text)


@given(st.ip_addresses(v=6))
def test_of_ipv6_nothing_is_allowed_but_what_is_handed_out_or_stands_for_public_ipv4(address: object) -> None:
    allowed = PUBLIC.allows(str(address))

    found = ip_address(str(address))
    mapped = getattr(found, "ipv4_mapped", None)
    assert not allowed or mapped is not None or found in IPv6Network("2000::/3")


def test_the_operator_may_list_networks_and_refuse_parts_of_them() -> None:
    rule = AddressRule(allow=[ip_network("10.1.0.0/16"), ip_network("fd00::/8")], deny=[ip_network("10.1.9.0/24")])

    allowed = [
        it
        for it in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "10.1.9.1", "::ffff:10.1.9.1", "10.2.0.1", "fc00::1")
        if rule.allows(it)
    ]

    assert allowed == ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"]


def test_a_public_address_of_the_operator_s_can_be_refused() -> None:
    rule = AddressRule(deny=[ip_network("8.8.8.0/24")], is_own=lambda _: False)

    assert not rule.allows("8.8.8.8")
    assert not rule.allows("::ffff:8.8.8.8")
    assert rule.allows("8.8.4.4")


def test_a_zone_is_refused_also_in_a_network_that_is_allowed() -> None:
    assert not AddressRule(allow=[ip_network("fe80::/10")]).allows("fe80::1%eth0")


@pytest.mark.parametrize(
    ("prefix", "public", "inside"),
    [
        ("64:ff9b::/96", "64:ff9b::808:808", "64:ff9b::a00:1"),
        ("2a00:db8:122:344::/96", "2a00:db8:122:344::808:808", "2a00:db8:122:344::7f00:1"),
        ("2a00:db8:122:344::/64", "2a00:db8:122:344:8:808:800:0", "2a00:db8:122:344:a:0:100:0"),
        ("2a00:db8:122:300::/56", "2a00:db8:122:308:8:808::", "2a00:db8:122:30a:0:1::"),
        ("2a00:db8:100::/48", "2a00:db8:100:808:8:800::", "2a00:db8:100:a00:0:100::"),
        ("2a00:db8:100::/40", "2a00:db8:108:808:8::", "2a00:db8:10a:0:1::"),
        ("2a00:db8::/32", "2a00:db8:808:808::", "2a00:db8:a00:1::"),
    ],
)
def test_behind_nat64_the_address_inside_is_judged(prefix: str, public: str, inside: str) -> None:
    rule = AddressRule(nat64=IPv6Network(prefix), is_own=lambda _: False)

    assert rule.allows(public)
    assert not rule.allows(inside)


def test_an_address_of_this_machine_is_refused_even_if_it_is_public() -> None:
    rule = AddressRule(is_own=lambda address: str(address) == "8.8.8.8")

    assert not rule.allows("8.8.8.8")
    assert rule.allows("8.8.4.4")


def test_this_machine_knows_its_own_addresses() -> None:
    assert is_of_this_machine(ip_address("127.0.0.1"))
    assert not is_of_this_machine(ip_address("1.1.1.1"))


def test_a_wider_rule_allows_more_and_refuses_the_same() -> None:
    rule = AddressRule(deny=[ip_network("10.9.0.0/16")]).widened([ip_network("10.0.0.0/8")])

    assert rule.allows("10.1.2.3")
    assert not rule.allows("10.9.2.3")
