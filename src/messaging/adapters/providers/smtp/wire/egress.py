"""Opens connections to mail servers that tenants name, and to nothing inside the operator's network.

A tenant chooses the host, so the rule is applied to the address about to be connected: a name may resolve to anything,
and to something else the next time. Every address that is not public is refused, unless the operator has listed its
network. The port must be one on which mail is submitted.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from messaging.adapters.providers.smtp.wire.exchange import Interrupted, Lost, Unfit
from messaging.adapters.providers.smtp.wire.replies import Stage

Network = IPv4Network | IPv6Network

# Public by the registries, and yet inside somebody's network: cloud metadata, and the relays of 6to4.
_NOT_PUBLIC_4: Final = tuple(
    map(ip_network, ("168.63.129.16/32", "192.0.0.0/24", "192.31.196.0/24", "192.88.99.0/24", "224.0.0.0/4"))
)
# Of IPv6 only what is handed out to the public, less what carries IPv4 or documentation inside it.
_PUBLIC_6: Final = ip_network("2000::/3")
_NOT_PUBLIC_6: Final = tuple(
    map(ip_network, ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))
)
_REFUSED: Final = (
    "The mail server's address is not public, or its port is none for mail. The operator allows private networks with"
    " APP_SMTP_ALLOWED_NETWORKS and ports with APP_SMTP_ALLOWED_PORTS."
)


class Egress:
    """The rule of one installation: `networks` are allowed besides public addresses, `ports` are the only ones."""

    def __init__(self, *, networks: Iterable[Network] = (), ports: Iterable[int]) -> None:
        self._networks = tuple(networks)
        self._ports = frozenset(ports)

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket. Raises Interrupted."""
        addresses = await self._addresses(host, port)
        return await _first(addresses)

    async def connect_freely(self, host: str, port: int) -> socket.socket:
        """A connected socket to a host that the operator has named. Raises Interrupted."""
        return await _first(await _resolve(host, port))

    async def _addresses(self, host: str, port: int) -> Sequence[tuple[int, tuple[str, int]]]:
        found = await _resolve(host, port) if port in self._ports else []
        allowed = [entry for entry in found if self.allows(entry[1][0])]
        if not allowed:
            raise Interrupted(Unfit(code="host_not_allowed", reason=_REFUSED, of_account=True))
        return allowed

    def allows(self, text: str) -> bool:
        """Whether the address may be connected to."""
        try:
            address = ip_address(text)
        except ValueError:
            # An address with a zone (`fe80::1%eth0`) is never public.
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        return _is_public(address)


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _NOT_PUBLIC_4)
    return address in _PUBLIC_6 and not any(address in network for network in _NOT_PUBLIC_6)


async def _resolve(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Interrupted(Lost(stage=Stage.CONNECT, code="host_unknown", reason=_said(error))) from error
    return [(family, (str(address[0]), port)) for family, _, _, _, address in found]


async def _first(addresses: Sequence[tuple[int, tuple[str, int]]]) -> socket.socket:
    """A socket to the first address that answers."""
    last: OSError | None = None
    for family, address in addresses:
        opened = socket.socket(family, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(opened, address)
        except OSError as error:
            opened.close()
            last = error
        except BaseException:
            opened.close()
            raise
        else:
            return opened
    raise Interrupted(Lost(stage=Stage.CONNECT, reason=_said(last))) from last


def _said(error: Exception | None) -> str:
    return type(error).__name__ if error is not None else "the name has no address"
