"""Runs a long command: the event loop, signals, and an HTTP server that finishes requests it has begun."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar, cast

import uvicorn
from msgspec import Struct
from uvicorn._types import ASGIApplication

from messaging.application.ports.telemetry import Telemetry
from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.http_server.listening import bounded
from messaging.entrypoints.sockets.listening import listen

log = logging.getLogger(__name__)

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# Objects made and not yet freed after which the youngest generation is searched for reference cycles.
_YOUNG_OBJECTS = 10_000


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` on uvloop, or on asyncio's own loop where uvloop does not exist."""
    _spare_the_collector()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def _spare_the_collector() -> None:
    """Makes the garbage collector search less often.

    A batch of 500 makes thousands of objects and no reference cycles; at Python's default threshold the searches took a
    fifth of the time. What is loaded by now stays for good, and is not searched again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 20, 20)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ModuleNotFoundError:  # there is none for Windows
        return None
    return uvloop.new_event_loop


async def until_signalled(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main`, and cancels it on the first SIGINT or SIGTERM; further signals do not disturb its clean-up.

    Raises KeyboardInterrupt after an interruption.
    """
    task = asyncio.ensure_future(main)
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if stopped:
            raise KeyboardInterrupt from None
        raise


class Service(Struct, frozen=True, kw_only=True):
    """How a process serves: the bounds of its listener, where it reports, and the time it has to finish (seconds)."""

    bounds: HttpBounds
    telemetry: Telemetry
    grace: float


async def serve(app: object, service: Service, *, host: str, port: int) -> None:
    """Answer requests until SIGINT or SIGTERM, then finish those under way within the grace.

    A second signal ends it at once. Raises CannotListen.
    """
    listener = listen(host, port)
    server = _Server(
        uvicorn.Config(
            # The hints of ASGI applications of different origin are different names for the same types.
            cast(ASGIApplication, app),
            lifespan="on",
            http=bounded(service.bounds, service.telemetry),
            ws="none",
            # Nothing here asks which caller a proxy names.
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=cast(int, service.bounds.idle_seconds),
            timeout_graceful_shutdown=max(1, int(service.grace)),
        )
    )
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, server.handle_exit, number, None)
    with listener:
        await server.serve(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that exits with 0 when it has drained: uvicorn would raise the signal once more."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                host, port, *_ = listener.getsockname()
                log.info("listening", extra={"host": host, "port": port})

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def worker_name(process: str) -> str:
    """The name of this process in leases: unique among processes, readable in the database."""
    return f"{process}-{os.uname().nodename}-{os.getpid()}"
