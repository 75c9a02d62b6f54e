"""Keeps the configuration snapshots up to date in the background, for as long as the application is up."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from litestar import Litestar

log = logging.getLogger(__name__)

_AFTER_ERROR_SECONDS = 1.0

Watch = Callable[[], Awaitable[None]]


def watching(watch: Watch) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    """A lifespan that runs `watch` beside the application. A watch that fails is started again after a second."""

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        task = asyncio.create_task(_for_ever(watch))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return lifespan


async def _for_ever(watch: Watch) -> None:
    while True:
        try:
            await watch()
        except Exception:
            log.exception("snapshots.watch_failed")
        await asyncio.sleep(_AFTER_ERROR_SECONDS)
