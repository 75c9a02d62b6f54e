"""Makes the sockets of connections to hosts that tenants name, and makes none for an address that is not allowed.

aiohttp asks for a socket immediately before it connects it, with the address that it will connect to, for names and
written addresses alike. So there is no gap between the check and its use in which a name could change.
"""

import errno
import socket
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from messaging.adapters.http.safe_egress.addresses import AddressRule
from messaging.adapters.http.transport import GatedConnector, RequestProgress, in_flight

if TYPE_CHECKING:
    from aiohappyeyeballs import AddrInfoType
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.tracing import Trace


class AddressRefused(OSError):
    """The address is not one that the platform connects to."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "the address is not allowed")


class Passage(RequestProgress):
    """How far one request has come: what was refused on its way, and whom it reached.

    `refused` and `tried` count the addresses that were refused and those that were connected to. `head` is the number
    of bytes that came of the answer's head, interim answers included. The request has one time limit from the start, so
    being sent moves none.
    """

    def __init__(self, pool: str) -> None:
        self.pool = pool
        self.sent = False
        self.refused = 0
        self.tried = 0
        self.peer: str | None = None
        self.head = 0

    async def ask(self) -> None:
        """Callbacks need no permission."""

    def mark_sent(self) -> None:
        self.sent = True


def passage() -> Passage:
    """The passage of the request that is being made in this context."""
    found = in_flight.get()
    assert isinstance(found, Passage), "every request through the door has its passage"
    return found


class PooledRequest(aiohttp.ClientRequest):
    """A request whose connection is kept for requests of the same pool only."""

    @property
    def connection_key(self) -> "ConnectionKey":
        # Proxies are never used, so their place in the key is free.
        return super().connection_key._replace(proxy_headers_hash=hash(passage().pool))


class GuardedConnector(GatedConnector):
    """Connections whose addresses are judged at the socket, and whose answers have a bounded head.

    A connection is used again for `oldest` seconds at most.
    """

    def __init__(self, rule: AddressRule, *, head_limit: int, oldest: float, **options: Any) -> None:
        super().__init__(socket_factory=self._socket, use_dns_cache=False, **options)
        self._rule = rule
        self._oldest = oldest
        # aiohttp takes the class of its protocols from here, and has no parameter for it.
        self._factory = cast("partial[ResponseHandler]", partial(BoundedHead, self._loop, head_limit))

    def _socket(self, found: "AddrInfoType") -> socket.socket:
        family, kind, protocol, _, address = found
        way = passage()
        if not self._rule.allows(str(address[0])):
            way.refused += 1
            raise AddressRefused
        way.tried += 1
        return socket.socket(family, kind, protocol)

    async def _get(self, key: "ConnectionKey", traces: "list[Trace]") -> Connection | None:
        """A kept connection, unless it is old or has said something unasked, which would be taken for an answer."""
        while (kept := await super()._get(key, traces)) is not None:
            protocol = kept.protocol
            assert isinstance(protocol, BoundedHead)
            if not protocol.should_close and monotonic() - protocol.born < self._oldest:
                return kept
            kept.close()
        return None


class BoundedHead(ResponseHandler):
    """Reads answers, and gives up one whose head does not end within the limit, interim answers (1xx) included."""

    def __init__(self, loop: Any, limit: int) -> None:
        super().__init__(loop)
        self.born = monotonic()
        self._limit = limit
        self._way: Passage | None = None

    def set_response_params(self, **params: Any) -> None:
        self._way = passage()
        assert self.transport is not None
        peer = self.transport.get_extra_info("peername")
        self._way.peer = None if peer is None else str(peer[0])
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        way = self._way
        if way is not None:
            way.head += len(data)
        super().data_received(data)
        # The head that ended has taken its passage away.
        if self._way is not None and self._way.head > self._limit and self.transport is not None:
            self.transport.close()
            self.set_exception(HttpProcessingError(code=400, message="the head of the answer is too long"))

    def feed_data(self, data: Any, size: int = 0) -> None:
        """A head is complete; unless it is an interim one, what follows is body."""
        if data[0].code >= 200 or data[0].code == 101:
            self._way = None
        super().feed_data(data, size)
