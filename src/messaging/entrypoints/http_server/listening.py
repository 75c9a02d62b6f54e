"""A listener that serves for the length of a block, beside a process's main work or its main listener."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any, cast

import uvicorn

from messaging.application.ports.telemetry import Telemetry
from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.http_server.crowd import Crowd
from messaging.entrypoints.http_server.protocol import BoundedHttp
from messaging.entrypoints.observability.asgi import AsgiApp
from messaging.entrypoints.sockets.listening import listen


def bounded(bounds: HttpBounds, telemetry: Telemetry) -> type[asyncio.Protocol]:
    """The protocol of one listener, in the form in which uvicorn takes it: a callable."""
    made: Any = partial(BoundedHttp, bounds=bounds, crowd=Crowd(bounds, telemetry))
    return cast(type[asyncio.Protocol], made)


class _Server(uvicorn.Server):
    """A server that leaves signals to the process, which has work to finish before it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(
    app: AsgiApp, *, host: str, port: int, telemetry: Telemetry, bounds: HttpBounds | None = None
) -> AsyncIterator[int]:
    """Serves for the length of the block; yields the port (0 picks a free one). Raises CannotListen."""
    bounds = bounds or HttpBounds()
    with listen(host, port) as listener:
        config = uvicorn.Config(
            app,
            lifespan="off",
            http=bounded(bounds, telemetry),
            ws="none",
            proxy_headers=False,
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_keep_alive=cast(int, bounds.idle_seconds),
            timeout_graceful_shutdown=2,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving
