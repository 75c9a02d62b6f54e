"""All connections of one listener: their number, which one is closed to make room, and which took too long."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol, cast

from messaging.application.ports.telemetry import Telemetry
from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.http_server.refusals import TOO_MANY_CONNECTIONS, Refusal, answer_to

# One connection in so many is closed to make room at a time, so that a newcomer rarely costs a look at all of them.
_ROOM: Final = 20
# Refused connections that are told why at a time; further ones are closed without a word.
_TOLD: Final = 64
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})

Events = MutableMapping[str, Any]
AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]


class Connection(Protocol):
    """What `Crowd` needs of a connection."""

    since: float
    app: Any
    transport: Any

    @property
    def answering(self) -> bool: ...
    @property
    def asked(self) -> bool: ...
    def look_at_clock(self, now: float) -> None: ...
    def end_with(self, refusal: Refusal) -> None: ...


class Crowd:
    """The connections of one listener, which report to it."""

    def __init__(self, bounds: HttpBounds, telemetry: Telemetry) -> None:
        self._bounds = bounds
        self._telemetry = telemetry
        self._present: set[Connection] = set()
        # Connections that were told to end and are still open.
        self._leaving: set[Connection] = set()
        self._sweeping: asyncio.TimerHandle | None = None

    def joined(self, newcomer: Connection) -> None:
        """Admits a connection. Beyond the limit idle ones are closed for it; if all are busy, only probes get in."""
        self._present.add(newcomer)
        loop = asyncio.get_running_loop()
        if self._sweeping is None:
            self._sweeping = loop.call_later(self._bounds.sweep_seconds, self._sweep, loop)
        beyond = len(self._present) - len(self._leaving) - self._bounds.connections
        if beyond > 0 and not self._make_room(newcomer, loop.time()):
            self._admit_beyond(newcomer, beyond - self._bounds.probes)

    def _admit_beyond(self, newcomer: Connection, too_many: int) -> None:
        if too_many <= 0:
            newcomer.app = _for_probes_only(newcomer.app, self.refused)
            return
        self.refused(TOO_MANY_CONNECTIONS)
        if too_many <= _TOLD:
            newcomer.end_with(TOO_MANY_CONNECTIONS)
        else:
            newcomer.transport.abort()

    def left(self, connection: Connection) -> None:
        self._present.discard(connection)
        self._leaving.discard(connection)

    def refused(self, refusal: Refusal) -> None:
        self._telemetry.count("http_refusals", reason=refusal.code)

    def _make_room(self, newcomer: Connection, now: float) -> bool:
        """Closes idle connections: first those that never asked, then those that asked longest ago."""
        waiting = [it for it in self._present - self._leaving if not it.answering and it is not newcomer]
        waiting.sort(key=lambda it: (it.asked or now - it.since < self._bounds.silent_seconds, it.since))
        for connection in waiting[: max(1, self._bounds.connections // _ROOM)]:
            self._telemetry.count("http_refusals", reason="made_room")
            self._leaving.add(connection)
            # A connection that has asked may be receiving its answer.
            connection.transport.close() if connection.asked else connection.transport.abort()
        return bool(waiting)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in tuple(self._present):
            connection.look_at_clock(now)
        self._sweeping = loop.call_later(self._bounds.sweep_seconds, self._sweep, loop) if self._present else None


def _for_probes_only(app: AsgiApp, refused: Callable[[Refusal], None]) -> AsgiApp:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in PROBES:
            await app(scope, receive, send)
            return
        refused(TOO_MANY_CONNECTIONS)
        await _send(cast(Callable[[Events], Awaitable[None]], send))

    return answer


async def _send(send: Callable[[Events], Awaitable[None]]) -> None:
    head, _, body = answer_to(TOO_MANY_CONNECTIONS).partition(b"\r\n\r\n")
    lines = [line.partition(b": ") for line in head.split(b"\r\n")[1:]]
    headers = [(name, value) for name, _, value in lines]
    await send({"type": "http.response.start", "status": TOO_MANY_CONNECTIONS.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
