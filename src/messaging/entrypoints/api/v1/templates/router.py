"""The routes about templates, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.v1.templates.templates import TemplatesController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (TemplatesController,)


def router(templates: UseCases) -> Router:
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "create_template": use_case(templates.create()),
            "list_templates": use_case(templates.list()),
            "find_template": use_case(templates.find()),
            "choose_for_template": use_case(templates.choose()),
        },
    )
