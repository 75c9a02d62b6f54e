"""Templates of the tenant's own, which are rendered here: /v1/own-templates."""

from typing import Annotated, Any, Final

from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct, field

from messaging.application.templates.own.change import ArchiveOwnTemplate, PublishDraft, WriteDraft
from messaging.application.templates.own.create import CreateOwnTemplate, NewOwnTemplate
from messaging.application.templates.own.queries import (
    FindOwnTemplate,
    FindOwnVersion,
    ListOwnTemplates,
    ListOwnVersions,
    PreviewOwnTemplate,
)
from messaging.application.templates.own.views import (
    OwnPreviewView,
    OwnTemplateDetailView,
    OwnTemplateView,
    OwnVersionSummaryView,
    OwnVersionView,
)
from messaging.domain.channels.address import Channel
from messaging.domain.content.parameters import Value
from messaging.domain.shared.ids import OwnTemplateId, Prefix
from messaging.domain.templates.own.definition import Definition, OwnChannel, OwnStatus
from messaging.domain.templates.template import TemplateCategory
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path, number_in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation


class CreateOwnTemplateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template of the tenant's own, with its first draft."""

    name: Annotated[str, Meta(min_length=1, max_length=100, description="Lower-case letters, digits and underscores.")]
    channel: Annotated[OwnChannel, Meta(description="How messages made from it travel.")]
    category: Annotated[TemplateCategory, Meta(description="What it is used for; its messages are of this category.")]
    content: Annotated[Definition, Meta(description="What it says.")]

    def to_new(self) -> NewOwnTemplate:
        channel = Channel(self.channel.value)
        return NewOwnTemplate(name=self.name, channel=channel, category=self.category, definition=self.content)


class WriteDraftBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next version, whole."""

    content: Annotated[Definition, Meta(description="What it says.")]


class PreviewOwnTemplateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Values as a message would bring them."""

    variables: Annotated[
        dict[str, Value], Meta(description="The template's parameters by name, as in a message's content.")
    ] = field(default_factory=dict)
    language: Annotated[
        Annotated[str, Meta(min_length=2, max_length=20)] | None,
        Meta(description="The language a message would ask for; null: the template's default."),
    ] = None
    version: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None,
        Meta(description="Which version; null: the newest, which may be a draft."),
    ] = None


class OwnTemplatesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    channel: OwnChannel | None = None
    status: OwnStatus | None = None


CREATE = Body(CreateOwnTemplateBody)
DRAFT = Body(WriteDraftBody)
PREVIEW = Body(PreviewOwnTemplateBody)
LIST = Query(OwnTemplatesQuery)
VERSIONS = Query(PageQuery)

_CONTENT: Final[dict[str, Any]] = {
    "default_language": "en",
    "variants": {
        "en": {"body": "Hi {{ name }}, your order {{ order }} has shipped."},
        "de": {"body": "Hallo {{ name }}, Ihre Bestellung {{ order }} ist unterwegs."},
    },
    "parameters": [{"name": "name", "default": "there"}, {"name": "order"}],
}
_EXAMPLE: Final = {"name": "order_shipped", "channel": "sms", "category": "utility", "content": _CONTENT}


class OwnTemplatesController(Controller):
    path = "/v1/own-templates"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "create_own_template",
            "Own templates",
            "Create a template of your own",
            description="For the channels whose templates are rendered here. It has a draft then; messages can name it "
            "once that is published. All that is wrong with its texts is listed, with line and column.",
            status=201,
            body=CreateOwnTemplateBody,
            example=_EXAMPLE,
            returns=OwnTemplateDetailView,
            problems=("quota_exceeded", "already_exists"),
        ),
    )
    async def create(
        self,
        request: TenantRequest,
        create_own_template: NamedDependency[CreateOwnTemplate],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        body, raw = await CREATE.read(request)
        return await once(request, raw, lambda: create_own_template(request.auth, body.to_new()), status=201)

    @get(
        "/",
        opt=operation(
            "list_own_templates",
            "Own templates",
            "List your own templates, newest first",
            query=OwnTemplatesQuery,
            returns=ListView[OwnTemplateView],
        ),
    )
    async def list_templates(
        self,
        request: TenantRequest,
        list_own_templates: NamedDependency[ListOwnTemplates],
        cursors: NamedDependency[Cursors],
    ) -> ListView[OwnTemplateView]:
        query = LIST.read(request)
        page = await list_own_templates(
            request.auth,
            before=cursors.uuid(request, query),
            limit=query.limit,
            name=query.name,
            channel=None if query.channel is None else Channel(query.channel.value),
            status=query.status,
        )
        return cursors.view(request, query, page)

    @get(
        "/{own_template_id:str}",
        opt=operation(
            "get_own_template",
            "Own templates",
            "Get one of your own templates, with its published version and its draft",
            returns=OwnTemplateDetailView,
        ),
    )
    async def get_template(
        self,
        request: TenantRequest,
        own_template_id: FromPath[str],
        find_own_template: NamedDependency[FindOwnTemplate],
    ) -> OwnTemplateDetailView:
        return await find_own_template(request.auth, _id(own_template_id))

    @put(
        "/{own_template_id:str}/draft",
        opt=operation(
            "write_own_template_draft",
            "Own templates",
            "Write the draft of the next version",
            description="Replaces the draft there is. What is published goes on being sent.",
            body=WriteDraftBody,
            example={"content": _CONTENT},
            returns=OwnTemplateDetailView,
            problems=("state_conflict", "quota_exceeded"),
        ),
    )
    async def write_draft(
        self,
        request: TenantRequest,
        own_template_id: FromPath[str],
        write_own_draft: NamedDependency[WriteDraft],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = _id(own_template_id)
        body, raw = await DRAFT.read(request)
        return await once(request, raw, lambda: write_own_draft(request.auth, id, body.content), status=200)

    @post(
        "/{own_template_id:str}/publish",
        status_code=200,
        opt=operation(
            "publish_own_template",
            "Own templates",
            "Publish the draft",
            description="In force within a second, for messages that are submitted from then on. Those that were "
            "accepted before are sent with the version they were accepted with. A published version never changes.",
            returns=OwnTemplateDetailView,
            problems=("state_conflict",),
        ),
    )
    async def publish(
        self,
        request: TenantRequest,
        own_template_id: FromPath[str],
        publish_own_draft: NamedDependency[PublishDraft],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = _id(own_template_id)
        return await once(request, b"", lambda: publish_own_draft(request.auth, id), status=200)

    @post(
        "/{own_template_id:str}/archive",
        status_code=200,
        opt=operation(
            "archive_own_template",
            "Own templates",
            "Archive a template",
            description="No message can be submitted with it any more; those that were accepted before are sent. Its "
            "name is free again.",
            returns=OwnTemplateView,
        ),
    )
    async def archive(
        self,
        request: TenantRequest,
        own_template_id: FromPath[str],
        archive_own_template: NamedDependency[ArchiveOwnTemplate],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = _id(own_template_id)
        return await once(request, b"", lambda: archive_own_template(request.auth, id), status=200)

    @post(
        "/{own_template_id:str}/preview",
        status_code=200,
        opt=operation(
            "preview_own_template",
            "Own templates",
            "Render a version with given values, and send nothing",
            description="Rendered and refused by the code that sends.",
            body=PreviewOwnTemplateBody,
            example={"language": "de", "variables": {"order": "A-1042"}},
            returns=OwnPreviewView,
        ),
    )
    async def preview(
        self,
        request: TenantRequest,
        own_template_id: FromPath[str],
        preview_own_template: NamedDependency[PreviewOwnTemplate],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = _id(own_template_id)
        body, raw = await PREVIEW.read(request)
        return await once(
            request,
            raw,
            lambda: preview_own_template(
                request.auth, id, variables=body.variables, language=body.language, number=body.version
            ),
            status=200,
        )

    @get(
        "/{own_template_id:str}/versions",
        opt=operation(
            "list_own_template_versions",
            "Own templates",
            "List a template's versions, newest first",
            query=PageQuery,
            returns=ListView[OwnVersionSummaryView],
        ),
    )
    async def list_versions(
        self,
        request: TenantRequest,
        own_template_id: FromPath[str],
        list_own_versions: NamedDependency[ListOwnVersions],
        cursors: NamedDependency[Cursors],
    ) -> ListView[OwnVersionSummaryView]:
        query = VERSIONS.read(request)
        before = cursors.number(request, query)
        page = await list_own_versions(request.auth, _id(own_template_id), before=before, limit=query.limit)
        return cursors.view(request, query, page)

    @get(
        "/{own_template_id:str}/versions/{version:str}",
        opt=operation(
            "get_own_template_version", "Own templates", "Get one version with its texts", returns=OwnVersionView
        ),
    )
    async def get_version(
        self,
        request: TenantRequest,
        own_template_id: FromPath[str],
        version: FromPath[str],
        find_own_version: NamedDependency[FindOwnVersion],
    ) -> OwnVersionView:
        return await find_own_version(request.auth, _id(own_template_id), number_in_path(version))


def _id(text: str) -> OwnTemplateId:
    return OwnTemplateId(in_path(Prefix.OWN_TEMPLATE, text))
