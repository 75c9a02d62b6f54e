"""Templates: /v1/templates, and bringing them up to date with the provider's."""

from typing import Annotated

from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from messaging.application.templates.choose import ChooseForTemplate
from messaging.application.templates.create import CreateTemplate, NewTemplate
from messaging.application.templates.queries import FindTemplate, ListTemplates
from messaging.application.templates.views import TemplateView
from messaging.domain.shared.ids import AccountId, Prefix, TemplateId, parse_typeid
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.templates.template import Components, ParameterFormat, TemplateCategory, TemplateStatus
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation


class CreateTemplateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template to submit for the provider's review. Placeholders are `{{1}}`, `{{2}}` or `{{name}}`."""

    account_id: Annotated[str, Meta(min_length=1, max_length=100)]
    name: Annotated[str, Meta(min_length=1, max_length=512)]
    language: Annotated[str, Meta(min_length=2, max_length=20, examples=["en_US"])]
    category: TemplateCategory
    components: Components
    parameter_format: ParameterFormat = ParameterFormat.POSITIONAL

    def to_new(self) -> NewTemplate:
        account_id = parse_typeid(Prefix.ACCOUNT, self.account_id)
        return NewTemplate(
            account_id=None if account_id is None else AccountId(account_id),
            name=self.name,
            language=self.language,
            category=self.category,
            parameter_format=self.parameter_format,
            components=self.components,
        )


class TemplatesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    status: TemplateStatus | None = None


class ChangeTemplateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What we keep about a template beside the provider's word; the provider is not told."""

    on_unknown: Annotated[
        OnUnknown | None,
        Meta(description="What happens to unclear sends of this template; null: as category and tenant have it."),
    ]


CREATE = Body(CreateTemplateBody)
CHANGE = Body(ChangeTemplateBody)
LIST = Query(TemplatesQuery)

_EXAMPLE = {
    "account_id": "acc_01kaf8v3e5f8k9m2n4p6q8r0st",
    "name": "order_update",
    "language": "en_US",
    "category": "utility",
    "components": {
        "body": "Hello {{1}}, your order {{2}} has shipped.",
        "examples": {"1": "Ana", "2": "A-1042"},
    },
}


class TemplatesController(Controller):
    path = "/v1/templates"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "create_template",
            "Templates",
            "Create a template and submit it for review",
            description="It may be sent once its status is `approved`.",
            status=201,
            body=CreateTemplateBody,
            example=_EXAMPLE,
            returns=TemplateView,
            problems=("quota_exceeded", "already_exists", "provider_refused", "provider_unavailable"),
        ),
    )
    async def create(
        self,
        request: TenantRequest,
        create_template: NamedDependency[CreateTemplate],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        body, raw = await CREATE.read(request)
        return await once(request, raw, lambda: create_template(request.auth, body.to_new()), status=201)

    @get(
        "/",
        opt=operation(
            "list_templates",
            "Templates",
            "List templates, newest first",
            query=TemplatesQuery,
            returns=ListView[TemplateView],
        ),
    )
    async def list_templates(
        self,
        request: TenantRequest,
        list_templates: NamedDependency[ListTemplates],
        cursors: NamedDependency[Cursors],
    ) -> ListView[TemplateView]:
        query = LIST.read(request)
        page = await list_templates(
            request.auth,
            before=cursors.uuid(request, query),
            limit=query.limit,
            name=query.name,
            status=query.status,
        )
        return cursors.view(request, query, page)

    @get("/{template_id:str}", opt=operation("get_template", "Templates", "Get a template", returns=TemplateView))
    async def get_template(
        self, request: TenantRequest, template_id: FromPath[str], find_template: NamedDependency[FindTemplate]
    ) -> TemplateView:
        return await find_template(request.auth, TemplateId(in_path(Prefix.TEMPLATE, template_id)))

    @patch(
        "/{template_id:str}",
        opt=operation(
            "change_template",
            "Templates",
            "Choose what happens to a template's unclear sends",
            description="In force within a second, for messages that are submitted from then on.",
            body=ChangeTemplateBody,
            example={"on_unknown": "resend"},
            returns=TemplateView,
        ),
    )
    async def change(
        self,
        request: TenantRequest,
        template_id: FromPath[str],
        choose_for_template: NamedDependency[ChooseForTemplate],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = TemplateId(in_path(Prefix.TEMPLATE, template_id))
        body, raw = await CHANGE.read(request)
        return await once(
            request, raw, lambda: choose_for_template(request.auth, id, on_unknown=body.on_unknown), status=200
        )
