"""A TCP proxy for one link that misbehaves on demand: it delays, cuts, swallows and refuses."""

import asyncio
import contextlib
import socket
import struct
from collections import deque
from typing import Final, cast

from messaging.entrypoints.lab.dev.processes.loopback import HOST

# With linger 0 a close sends a reset instead of an orderly end, as a machine does that has forgotten the connection.
_RESET: Final = struct.pack("ii", 1, 0)
_CONNECT_SECONDS: Final = 5.0


class FaultProxy:
    """Forwards loopback connections to `port`, faithfully until told otherwise; each order holds for all connections.

    A connection that lost bytes never recovers: it is reset when the loss ends, as TCP would.
    """

    def __init__(self, name: str, *, target: int, host: str = HOST) -> None:
        self.name = name
        self.target = target
        self.host = host
        self.delay = 0.0
        self.refuses = False
        self.swallows = False
        # Bytes a connection may still carry in each direction before it is reset; None is no limit.
        self.budget: int | None = None
        self.connections: set[_Connection] = set()
        self.struck = 0
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self, port: int = 0) -> None:
        """Listen on a port, 0 for a free one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self).client, self.host, port, backlog=512)

    async def close(self) -> None:
        self.cut()
        if self._server is not None:
            self._server.close()

    def cut(self) -> int:
        """Resets every connection there is; returns their number."""
        return sum(connection.reset() for connection in list(self.connections))

    def half_close(self) -> int:
        """Tells the target of every connection that nothing more will come, though its answers still pass."""
        return sum(connection.half_close() for connection in list(self.connections))

    def limit(self, budget: int | None) -> None:
        """Resets connections, from now on, after so many bytes in one direction."""
        self.budget = budget
        for connection in self.connections:
            connection.refill()

    def heal(self) -> None:
        """Forwards faithfully again from now on."""
        self.delay, self.refuses, self.swallows = 0.0, False, False
        self.limit(None)
        for connection in list(self.connections):
            if connection.tainted:
                connection.reset()


class _Connection:
    """Both ends of one connection."""

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        self.client = _End(self)
        self.server = _End(self)
        self.client.peer, self.server.peer = self.server, self.client
        self.tainted = False
        self._connecting: asyncio.Task[None] | None = None

    def refill(self) -> None:
        self.client.left = self.server.left = self.proxy.budget

    def began(self, end: "_End") -> None:
        if end is self.server:
            return
        self.proxy.connections.add(self)
        self.refill()
        if self.proxy.refuses:
            self.reset()
            return
        self._connecting = asyncio.create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await loop.create_connection(lambda: self.server, HOST, self.proxy.target)
        except OSError:
            self.reset()
            return
        if not self.client.is_open:
            self.server.abort()

    def ended(self) -> None:
        """Called when one end is gone, orderly or not: the other ends once it has been given everything."""
        self.proxy.connections.discard(self)
        for end in (self.client, self.server):
            end.finish()

    def reset(self) -> bool:
        """Resets both ends. Returns whether there was something to reset."""
        self.proxy.connections.discard(self)
        was_open = self.client.is_open or self.server.is_open
        self.client.abort()
        self.server.abort()
        self.proxy.struck += was_open
        return was_open

    def half_close(self) -> bool:
        return self.server.half_close()


class _End(asyncio.Protocol):
    """One socket. What it receives goes to its peer, when and as far as the proxy lets it."""

    def __init__(self, connection: _Connection) -> None:
        self.peer: _End = self
        self.left: int | None = None
        self._connection = connection
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[float, bytes]] = deque()
        # Bytes written to the socket before it was connected.
        self._early: list[bytes] = []
        self._ends = False
        self._has_said_all = False

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connection.began(self)
        self._transport.writelines(self._early)
        self._early.clear()

    def data_received(self, data: bytes) -> None:
        proxy = self._connection.proxy
        if proxy.swallows:
            self._connection.tainted = True
            return
        if self.left is not None:
            data, self.left = data[: self.left], self.left - len(data)
        if proxy.delay > 0 or self._waiting:
            self._hold_back(data, proxy.delay)
        elif data:
            self.peer.write(data)
        if self.left is not None and self.left < 0:
            # The last bytes get time to leave before the reset overtakes them.
            asyncio.get_running_loop().call_later(0.005, self._connection.reset)

    def _hold_back(self, data: bytes, delay: float) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        if self._waiting:
            due = max(due, self._waiting[-1][0])
        self._waiting.append((due, data))
        loop.call_at(due, self._pass_on)

    def _pass_on(self) -> None:
        if self._waiting:
            self.peer.write(self._waiting.popleft()[1])
        if self._ends and not self._waiting:
            self._connection.ended()

    def write(self, data: bytes) -> None:
        if self._transport is None:
            self._early.append(data)
        elif self._has_said_all:
            # A writer that goes on after its end was announced is told that nobody listens.
            self._connection.reset()
        elif self.is_open:
            self._transport.write(data)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._ends = True
        if not self._waiting:
            self._connection.ended()

    def pause_writing(self) -> None:
        self.peer.pause_reading()

    def resume_writing(self) -> None:
        self.peer.resume_reading()

    def pause_reading(self) -> None:
        if self.is_open:
            assert self._transport is not None
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.is_open:
            assert self._transport is not None
            self._transport.resume_reading()

    def finish(self) -> None:
        """Closes after what has been written is out."""
        if self.is_open:
            assert self._transport is not None
            self._transport.close()

    def half_close(self) -> bool:
        if self.is_open and self._transport is not None and self._transport.can_write_eof():
            with contextlib.suppress(OSError):
                self._transport.write_eof()
                self._has_said_all = True
                return True
        return False

    def abort(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            raw = self._transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()
