"""The routes about templates, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.v1.templates.own import OwnTemplatesController
from messaging.entrypoints.api.v1.templates.templates import TemplatesController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (TemplatesController, OwnTemplatesController)


def router(templates: UseCases) -> Router:
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "create_template": use_case(templates.create()),
            "list_templates": use_case(templates.list()),
            "find_template": use_case(templates.find()),
            "choose_for_template": use_case(templates.choose()),
            "create_own_template": use_case(templates.create_own()),
            "list_own_templates": use_case(templates.list_own()),
            "find_own_template": use_case(templates.find_own()),
            "write_own_draft": use_case(templates.write_own_draft()),
            "publish_own_draft": use_case(templates.publish_own_draft()),
            "archive_own_template": use_case(templates.archive_own()),
            "preview_own_template": use_case(templates.preview_own()),
            "list_own_versions": use_case(templates.list_own_versions()),
            "find_own_version": use_case(templates.find_own_version()),
        },
    )
