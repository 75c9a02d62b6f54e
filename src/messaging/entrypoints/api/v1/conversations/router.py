"""The routes about what people write to a tenant, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.v1.conversations.inbound_messages import InboundController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (InboundController,)


def router(conversations: UseCases) -> Router:
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={"list_inbound": use_case(conversations.list())},
    )
