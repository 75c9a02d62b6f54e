"""The routes about events for callbacks, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.v1.callbacks.events import EventsController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (EventsController,)


def router(events: UseCases) -> Router:
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "list_callback_events": use_case(events.list()),
            "find_callback_event": use_case(events.find()),
        },
    )
