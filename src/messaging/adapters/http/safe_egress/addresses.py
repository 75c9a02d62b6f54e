"""Which addresses the platform connects to on a tenant's word: public ones, and networks that the operator has listed.

IPv4 is judged by a list of what is refused, IPv6 by a list of what is allowed, because many IPv6 blocks carry an IPv4
address inside them. Python's `is_global` is not asked: it calls some of those public, others in each version.
"""

import socket
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NOT_PUBLIC_4: Final = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "127.0.0.0/8",
            "168.63.129.16/32",  # The metadata of one cloud, in a block that is public by the registry.
            "169.254.0.0/16",
            "172.16.0.0/12",
            "192.0.0.0/24",
            "192.0.2.0/24",
            "192.31.196.0/24",
            "192.52.193.0/24",
            "192.88.99.0/24",
            "192.168.0.0/16",
            "192.175.48.0/24",
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    )
)
_PUBLIC_6: Final = IPv6Network("2000::/3")
# Within it: Teredo and ORCHID, documentation, 6to4, AS112.
_NOT_PUBLIC_6: Final = tuple(
    map(IPv6Network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
# Byte 8 of an address stays empty where a prefix of NAT64 is shorter than 96 bits (RFC 6052).
_EMPTY_BYTE: Final = 8


class AddressRule:
    """The rule of one installation. `allow` is let through besides public addresses; `deny` is refused in any case.

    `nat64` is the prefix under which this network reaches IPv4 by IPv6: what is inside such an address is judged. An
    address of this machine itself is refused, even if it is public.
    """

    def __init__(
        self,
        *,
        allow: Iterable[Network] = (),
        deny: Iterable[Network] = (),
        nat64: IPv6Network | None = None,
        is_own: Callable[[Address], bool] | None = None,
    ) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)
        self._nat64 = nat64
        self._is_own = is_own or is_of_this_machine

    def widened(self, allow: Iterable[Network]) -> "AddressRule":
        """The same rule with more networks that are let through."""
        return AddressRule(allow=(*self._allow, *allow), deny=self._deny, nat64=self._nat64, is_own=self._is_own)

    def allows(self, text: str) -> bool:
        """Whether the address may be connected to; a text that is no plain address may not."""
        try:
            given = ip_address(text)
        except ValueError:
            return False
        if isinstance(given, IPv6Address) and given.scope_id is not None:
            return False
        address = self._unwrapped(given)
        if _is_in(given, self._deny) or _is_in(address, self._deny):
            return False
        if _is_in(given, self._allow) or _is_in(address, self._allow):
            return True
        return _is_public(address) and not self._is_own(given)

    def _unwrapped(self, address: Address) -> Address:
        """The IPv4 address that will be reached, where an IPv6 address stands for one."""
        if isinstance(address, IPv4Address):
            return address
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if self._nat64 is not None and address in self._nat64:
            return _inside(address, self._nat64)
        return address


def _inside(address: IPv6Address, prefix: IPv6Network) -> IPv4Address:
    start = prefix.prefixlen // 8
    suffix = [byte for place, byte in enumerate(address.packed) if place >= start]
    if start <= _EMPTY_BYTE:
        del suffix[_EMPTY_BYTE - start]
    return IPv4Address(bytes(suffix[:4]))


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return not _is_in(address, _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not _is_in(address, _NOT_PUBLIC_6)


def is_of_this_machine(address: Address) -> bool:
    """Whether the kernel would answer by itself: it then takes the address for the sender's too. Nothing is sent."""
    family = socket.AF_INET if isinstance(address, IPv4Address) else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 9))
            return ip_address(probe.getsockname()[0]) == address
    except OSError:
        # No way leads there, so connecting will fail too.
        return False
