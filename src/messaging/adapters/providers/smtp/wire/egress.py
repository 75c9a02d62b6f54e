"""Opens connections to mail servers that tenants name, and to nothing inside the operator's network.

A tenant chooses the host, so the rule is applied to the address about to be connected: a name may resolve to anything,
and to something else the next time. The rule is that of everything that tenants name (`http/safe_egress`); the port
must be one on which mail is submitted.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from typing import Final

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.http.safe_egress.names import Lookup, Names, system_lookup
from messaging.adapters.providers.smtp.wire.exchange import Interrupted, Lost, Unfit
from messaging.adapters.providers.smtp.wire.replies import Stage

_REFUSED: Final = (
    "The mail server's address is not public, or its port is none for mail. The operator allows private networks with"
    " APP_OUTBOUND_ALLOW_NETS or APP_SMTP_ALLOWED_NETWORKS, and ports with APP_SMTP_ALLOWED_PORTS."
)


class Egress:
    """The way out of one installation: addresses by its `rule`, on `ports` only."""

    def __init__(self, rule: AddressRule, *, ports: Iterable[int], lookup: Lookup = system_lookup) -> None:
        self._rule = rule
        self._ports = frozenset(ports)
        self._names = Names(lookup)

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connected socket. Raises Interrupted."""
        found = await self._resolve(host) if port in self._ports else ()
        allowed = [address for address in found if self._rule.allows(address)]
        if not allowed:
            raise Interrupted(Unfit(code="host_not_allowed", reason=_REFUSED, of_account=True))
        return await _first(allowed, port)

    async def connect_freely(self, host: str, port: int) -> socket.socket:
        """A connected socket to a host that the operator has named. Raises Interrupted."""
        return await _first(await self._resolve(host), port)

    async def _resolve(self, host: str) -> Sequence[str]:
        try:
            return await self._names.addresses(host)
        except OSError as error:
            raise Interrupted(Lost(stage=Stage.CONNECT, code="host_unknown", reason=_said(error))) from error

    async def aclose(self) -> None:
        await self._names.close()


async def _first(addresses: Sequence[str], port: int) -> socket.socket:
    """A socket to the first address that answers."""
    last: OSError | None = None
    for address in addresses:
        opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(opened, (address, port))
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
