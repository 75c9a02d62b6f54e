"""The routes about messages, and the use cases that their handlers call."""

from collections.abc import Mapping
from functools import partial
from typing import Final

from litestar import Controller, Router
from litestar.types import ASGIApp

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.edge.auth import Door
from messaging.entrypoints.api.edge.express import Express
from messaging.entrypoints.api.v1.messages.dead_letters import DeadLettersController
from messaging.entrypoints.api.v1.messages.messages import MessagesController, submit_many, submit_one
from messaging.entrypoints.api.v1.messages.operator_actions import OperatorActionsController
from messaging.entrypoints.api.v1.messages.summary import MessageSummaryController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (
    MessagesController,
    MessageSummaryController,
    DeadLettersController,
    OperatorActionsController,
)


def router(messages: UseCases) -> Router:
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "submit_messages": use_case(messages.submit()),
            "check_message": use_case(messages.check()),
            "find_message": use_case(messages.find()),
            "list_messages": use_case(messages.list()),
            "summarize_messages": use_case(messages.summarize()),
            "list_events": use_case(messages.list_events()),
            "find_trace": use_case(messages.find_trace()),
            "cancel_message": use_case(messages.cancel()),
            "retry_message": use_case(messages.retry()),
            "list_dead_letters": use_case(messages.list_dead_letters()),
            "find_dead_letter": use_case(messages.find_dead_letter()),
            "retry_dead_letter": use_case(messages.retry_dead_letter()),
            "discard_dead_letter": use_case(messages.discard_dead_letter()),
            "act_on_messages": use_case(messages.act()),
        },
    )


def express(messages: UseCases, door: Door) -> Mapping[tuple[str, str], ASGIApp]:
    """The two submissions by method and path, for callers that write the path exactly so (decision 8)."""
    work = partial(Express, door=door, use_case=messages.submit())
    operations = (
        work("submit_message", "/v1/messages", submit_one),
        work("submit_batch", "/v1/messages/batch", submit_many),
    )
    return {("POST", operation.path): operation for operation in operations}
