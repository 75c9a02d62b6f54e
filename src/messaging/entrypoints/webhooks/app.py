"""The webhooks process as an ASGI application: which path goes where, and what runs beside the requests.

Plain ASGI: the way from the socket to the commit is the whole of it, and a framework would cost more than the work.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from messaging.entrypoints.composition.containers import Application
from messaging.entrypoints.observability.asgi import AsgiApp, Receive, Scope, Send
from messaging.entrypoints.observability.operations import OPERATIONS_PATHS
from messaging.entrypoints.webhooks.receive import ReceiveWebhook, problem, reply

log = logging.getLogger(__name__)

_AFTER_ERROR = 1.0


def create_app(has: Application) -> AsgiApp:
    """`GET|POST /webhooks/{provider}/{token}`, and the operations paths."""
    receive_webhook, operations = ReceiveWebhook(has.webhooks.accept()), has.adapters.operations()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send, has.adapters.snapshots().watch)
            return
        if scope["type"] != "http":
            return
        path: str = scope["path"]
        if path in OPERATIONS_PATHS:
            await operations(scope, receive, send)
            return
        match path.split("/"):
            case ["", "webhooks", provider, token]:
                await receive_webhook(scope, receive, send, provider=provider, token=token)
            case _:
                await reply(send, problem(HTTPStatus.NOT_FOUND), head=scope["method"] == "HEAD")

    return app


async def _lifespan(receive: Receive, send: Send, watch: Callable[[], Awaitable[None]]) -> None:
    await receive()
    watching = asyncio.create_task(_for_ever(watch))
    await send({"type": "lifespan.startup.complete"})
    try:
        await receive()
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    await send({"type": "lifespan.shutdown.complete"})


async def _for_ever(watch: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await watch()
        except Exception:
            log.exception("snapshots.watch_failed")
        await asyncio.sleep(_AFTER_ERROR)
