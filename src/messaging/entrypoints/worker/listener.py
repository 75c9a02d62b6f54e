"""How is the worker's health asked for? A small HTTP listener beside the work."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from messaging.entrypoints.listening import listen
from messaging.entrypoints.telemetry import AsgiApp


class _Server(uvicorn.Server):
    """Leaves the signals to the process, which has work to finish before it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def listening(app: AsgiApp, *, host: str, port: int) -> AsyncIterator[int]:
    """Serve for the length of the block; yields the port (0 picks a free one). Raises CannotListen."""
    with listen(host, port) as listener:
        config = uvicorn.Config(
            app,
            lifespan="off",
            ws="none",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving
