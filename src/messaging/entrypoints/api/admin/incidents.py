"""Incidents of the public status page: /admin/v1/incidents."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from messaging.application.status.incidents import ChangeIncident, DraftIncident, IncidentView, ListIncidents, Step
from messaging.domain.shared.ids import IncidentId, Prefix
from messaging.domain.status.components import Component
from messaging.domain.status.incident import Impact
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import AdminRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation

Told = Annotated[str, Meta(min_length=1, max_length=5_000)]


class DraftIncidentBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An incident that only administrators see until it is published."""

    title: Annotated[str, Meta(min_length=1, max_length=200)]
    impact: Impact
    components: Annotated[list[Component], Meta(min_length=1, max_length=20)]
    text: Told


class IncidentTextBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is told of the incident."""

    text: Told


DRAFT = Body(DraftIncidentBody)
TEXT = Body(IncidentTextBody)
PAGE = Query(PageQuery)


class IncidentsController(Controller):
    path = "/admin/v1/incidents"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "draft_incident",
            "Incidents",
            "Draft an incident",
            description="Nobody but administrators sees a draft. What is written is public once it is published: it "
            "names no tenant.",
            status=201,
            body=DraftIncidentBody,
            example={
                "title": "SMS arrive late",
                "impact": "degraded",
                "components": ["delivery_sms"],
                "text": "Messages by SMS take up to five minutes. We are looking for the cause.",
            },
            returns=IncidentView,
        ),
    )
    async def draft(
        self,
        request: AdminRequest,
        draft_incident: NamedDependency[DraftIncident],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        body, raw = await DRAFT.read(request)
        return await once(
            request,
            raw,
            lambda: draft_incident(
                title=body.title,
                impact=body.impact,
                components=body.components,
                text=body.text,
                by=request.auth.key_id,
            ),
            status=201,
        )

    @get(
        "/",
        opt=operation(
            "list_incidents",
            "Incidents",
            "List incidents, newest first",
            description="Drafts are included. `post_mortem_overdue` tells which are to be explained at once.",
            query=PageQuery,
            returns=ListView[IncidentView],
        ),
    )
    async def list_incidents(
        self,
        request: AdminRequest,
        list_incidents: NamedDependency[ListIncidents],
        cursors: NamedDependency[Cursors],
    ) -> ListView[IncidentView]:
        query = PAGE.read(request)
        page = await list_incidents(before=cursors.uuid(request, query), limit=query.limit)
        return cursors.view(request, query, page)

    @post(
        "/{incident_id:str}/publish",
        status_code=200,
        opt=operation(
            "publish_incident",
            "Incidents",
            "Publish a draft",
            description="It is on the status page within half a minute, and its components are at least as bad as its "
            "`impact` until it is resolved.",
            returns=IncidentView,
            problems=("state_conflict",),
        ),
    )
    async def publish(
        self,
        request: AdminRequest,
        incident_id: FromPath[str],
        change_incident: NamedDependency[ChangeIncident],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = IncidentId(in_path(Prefix.INCIDENT, incident_id))
        by = request.auth.key_id
        return await once(request, b"", lambda: change_incident(id, Step.PUBLISH, by=by), status=200)

    @post(
        "/{incident_id:str}/updates",
        status_code=200,
        opt=operation(
            "update_incident",
            "Incidents",
            "Tell more of an incident",
            body=IncidentTextBody,
            example={"text": "The cause is found: a provider's route is down. Messages take another one."},
            returns=IncidentView,
            problems=("state_conflict",),
        ),
    )
    async def update(
        self,
        request: AdminRequest,
        incident_id: FromPath[str],
        change_incident: NamedDependency[ChangeIncident],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        return await _step(request, incident_id, change_incident, once, Step.UPDATE)

    @post(
        "/{incident_id:str}/resolve",
        status_code=200,
        opt=operation(
            "resolve_incident",
            "Incidents",
            "End an incident",
            description="From now on it is to be explained within 48 hours (`post_mortem_due_at`).",
            body=IncidentTextBody,
            example={"text": "SMS arrive in time since 10:20."},
            returns=IncidentView,
            problems=("state_conflict",),
        ),
    )
    async def resolve(
        self,
        request: AdminRequest,
        incident_id: FromPath[str],
        change_incident: NamedDependency[ChangeIncident],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        return await _step(request, incident_id, change_incident, once, Step.RESOLVE)

    @post(
        "/{incident_id:str}/post-mortem",
        status_code=200,
        opt=operation(
            "explain_incident",
            "Incidents",
            "Explain a resolved incident",
            description="A later explanation takes the place of the one before.",
            body=IncidentTextBody,
            example={
                "text": "A provider withdrew a route without notice. We now watch the routes and change them at once."
            },
            returns=IncidentView,
            problems=("state_conflict",),
        ),
    )
    async def explain(
        self,
        request: AdminRequest,
        incident_id: FromPath[str],
        change_incident: NamedDependency[ChangeIncident],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        return await _step(request, incident_id, change_incident, once, Step.EXPLAIN)


async def _step(
    request: AdminRequest, incident_id: str, change_incident: ChangeIncident, once: Once, step: Step
) -> Response[bytes]:
    """A step that comes with a text."""
    id = IncidentId(in_path(Prefix.INCIDENT, incident_id))
    body, raw = await TEXT.read(request)
    by = request.auth.key_id
    return await once(request, raw, lambda: change_incident(id, step, body.text, by=by), status=200)
