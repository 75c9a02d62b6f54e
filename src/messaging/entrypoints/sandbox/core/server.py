"""Serves the sandbox by uvicorn, with enough of the server exposed that it can misbehave on purpose."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Protocol

import msgspec
import uvicorn

from messaging.entrypoints.sandbox.core.settings import SandboxConfig
from messaging.entrypoints.sandbox.core.wire import TRANSPORT, Receive, Scope, Send
from messaging.entrypoints.sockets.joined_writes import JoinedWrites
from messaging.entrypoints.sockets.listening import listen

_GRACE_SECONDS = 2


class Application(Protocol):
    """An ASGI application that holds its state directory from `open` to `close`."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    async def open(self) -> None: ...

    def stop_hanging(self) -> None:
        """Cut off the requests that hang on purpose."""

    async def close(self) -> None: ...


Build = Callable[[SandboxConfig], Application]


class _Protocol(JoinedWrites):
    """Puts the transport into the scope, so that a handler can cut or reset its own connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: self.transport}  # type: ignore[dict-item]  # not an ASGI extension


class _Server(uvicorn.Server):
    """A server that tells when it listens, and leaves signals to its owner."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(build: Build, config: SandboxConfig, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """A sandbox that listens for the length of the block; yields its base URL. Port 0 picks a free one.

    Raises CannotListen.
    """
    with listen(host, port) as listener:
        app = build(msgspec.structs.replace(config, host=host))
        await app.open()
        try:
            async with _running(_Server(_uvicorn(app)), listener):
                shown = f"[{host}]" if ":" in host else host
                try:
                    yield f"http://{shown}:{listener.getsockname()[1]}"
                finally:
                    app.stop_hanging()
        finally:
            await app.close()


@contextlib.asynccontextmanager
async def _running(server: _Server, listener: socket.socket) -> AsyncIterator[None]:
    running = asyncio.create_task(server.serve(sockets=[listener]))
    announced = asyncio.create_task(server.listening.wait())
    await asyncio.wait({running, announced}, return_when=asyncio.FIRST_COMPLETED)
    announced.cancel()
    try:
        yield
    finally:
        server.should_exit = True
        await running


def _uvicorn(app: Application) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",  # opened and closed by `serving`, which lets their errors through
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def serve(
    build: Build, config: SandboxConfig, host: str, port: int, *, ready: Callable[[str], None] | None = None
) -> None:
    """Serve until SIGINT or SIGTERM; `ready` is told the base URL once requests are answered."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    async with serving(build, config, host, port) as url:
        if ready is not None:
            ready(url)
        await stop.wait()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.remove_signal_handler(signal_number)
