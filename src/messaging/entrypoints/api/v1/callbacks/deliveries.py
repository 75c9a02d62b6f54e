"""What became of callbacks, and pausing them: /deliveries, /health, /pause, /resume and /enable of an endpoint."""

from datetime import datetime
from typing import Annotated, Final, Literal

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from messaging.application.callbacks.watching.queries import FindDeliveries, FindEndpointHealth, ListAttempts
from messaging.application.callbacks.watching.replay import ReplayedEventView, ReplayEvent
from messaging.application.callbacks.watching.switch import EnableEndpoint, PauseEndpoint
from messaging.application.callbacks.watching.views import (
    CallbackAttemptView,
    CallbackDeliveriesView,
    EndpointHealthView,
)
from messaging.domain.callbacks.endpoint import EndpointStatus
from messaging.domain.shared.ids import CallbackAttemptId, CallbackEndpointId, CallbackEventId, Prefix
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation

TAG: Final = "Callbacks"
LIST = Query(PageQuery)


class ReplayBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to events that were held meanwhile."""

    replay: Annotated[
        Literal["all", "none", "since"],
        Meta(description="Held events are posted (`all`), discarded (`none`), or posted from `since` on."),
    ] = "all"
    since: (
        Annotated[datetime, Meta(tz=True, description="With `since`: events recorded before then are discarded.")]
        | None
    ) = None

    def __post_init__(self) -> None:
        if (self.replay == "since") != (self.since is not None):
            raise ValueError("`since` goes with `replay: since`, and with nothing else")


class ReplayEventBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an event is posted once more."""

    endpoint_id: Annotated[str, Meta(max_length=100, description="The endpoint, cbe_…; it has to be enabled.")]


REPLAY = Body(ReplayBody)
REPLAY_EVENT = Body(ReplayEventBody)
_EXAMPLE: Final = {"replay": "since", "since": "2026-11-29T09:00:00Z"}


class EndpointDeliveriesController(Controller):
    path = "/v1/callback-endpoints"

    @get(
        "/{endpoint_id:str}/deliveries",
        opt=operation(
            "list_callback_attempts",
            TAG,
            "List attempts to post to an endpoint, newest first",
            description="The log of the last 30 days: an attempt is written before its request leaves. The beginning "
            "of what the endpoint answered is shown, never the secret or the header values of the request.",
            query=PageQuery,
            returns=ListView[CallbackAttemptView],
        ),
    )
    async def list_attempts(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        list_attempts: NamedDependency[ListAttempts],
        cursors: NamedDependency[Cursors],
    ) -> ListView[CallbackAttemptView]:
        query = LIST.read(request)
        before = cursors.uuid(request, query)
        page = await list_attempts(
            request.auth,
            _id(endpoint_id),
            before=None if before is None else CallbackAttemptId(before),
            limit=query.limit,
        )
        return cursors.view(request, query, page)

    @get(
        "/{endpoint_id:str}/health",
        opt=operation(
            "get_callback_endpoint_health",
            TAG,
            "Get how an endpoint does, and what waits for it",
            returns=EndpointHealthView,
        ),
    )
    async def health(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        find_endpoint_health: NamedDependency[FindEndpointHealth],
    ) -> EndpointHealthView:
        return await find_endpoint_health(request.auth, _id(endpoint_id))

    @post(
        "/{endpoint_id:str}/pause",
        status_code=200,
        opt=operation(
            "pause_callback_endpoint",
            TAG,
            "Post nothing to an endpoint for now",
            description="What waits and what comes is held for 30 days. What is being posted at this moment ends.",
            returns=EndpointHealthView,
            problems=("state_conflict",),
        ),
    )
    async def pause(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        pause_endpoint: NamedDependency[PauseEndpoint],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = _id(endpoint_id)
        return await once(request, b"", lambda: pause_endpoint(request.auth, id), status=200)

    @post(
        "/{endpoint_id:str}/resume",
        status_code=200,
        opt=operation(
            "resume_callback_endpoint",
            TAG,
            "Post to a paused endpoint again",
            description="Held events are posted in their order, each for 24 hours from now on at most.",
            body=ReplayBody,
            example=_EXAMPLE,
            returns=EndpointHealthView,
            problems=("state_conflict",),
        ),
    )
    async def resume(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        enable_endpoint: NamedDependency[EnableEndpoint],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        return await _enable(request, endpoint_id, enable_endpoint, once, was=EndpointStatus.PAUSED)

    @post(
        "/{endpoint_id:str}/enable",
        status_code=200,
        opt=operation(
            "enable_callback_endpoint",
            TAG,
            "Enable an endpoint that was disabled",
            description="Its breaker is closed. Held events are posted in their order, each for 24 hours at most.",
            body=ReplayBody,
            example=_EXAMPLE,
            returns=EndpointHealthView,
            problems=("state_conflict",),
        ),
    )
    async def enable(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        enable_endpoint: NamedDependency[EnableEndpoint],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        return await _enable(request, endpoint_id, enable_endpoint, once, was=EndpointStatus.DISABLED)


class EventDeliveriesController(Controller):
    path = "/v1/events"

    @get(
        "/{event_id:str}/deliveries",
        opt=operation(
            "list_event_deliveries",
            TAG,
            "List what became of an event at each endpoint",
            returns=CallbackDeliveriesView,
        ),
    )
    async def of_event(
        self,
        request: TenantRequest,
        event_id: FromPath[str],
        find_deliveries: NamedDependency[FindDeliveries],
    ) -> CallbackDeliveriesView:
        return await find_deliveries(request.auth, CallbackEventId(in_path(Prefix.EVENT, event_id)))

    @post(
        "/{event_id:str}/replay",
        status_code=202,
        opt=operation(
            "replay_event",
            TAG,
            "Post an event to an endpoint once more",
            description="Whatever became of it, for 30 days. The callback has the same `webhook-id` and body, and "
            "says `webhook-replay: true`. It waits for no other event about its subject, and none waits for it.",
            status=202,
            body=ReplayEventBody,
            example={"endpoint_id": "cbe_01k5c0v7t3m9n1p2q4r5s6t7v8"},
            returns=ReplayedEventView,
            problems=("state_conflict",),
        ),
    )
    async def replay(
        self,
        request: TenantRequest,
        event_id: FromPath[str],
        replay_event: NamedDependency[ReplayEvent],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = CallbackEventId(in_path(Prefix.EVENT, event_id))
        body, raw = await REPLAY_EVENT.read(request)
        return await once(request, raw, lambda: replay_event(request.auth, id, _id(body.endpoint_id)), status=202)


async def _enable(
    request: TenantRequest, endpoint_id: str, enable: EnableEndpoint, once: Once, *, was: EndpointStatus
) -> Response[bytes]:
    id = _id(endpoint_id)
    body, raw = await REPLAY.read(request)
    since = body.since if body.replay == "since" else None
    return await once(
        request,
        raw,
        lambda: enable(request.auth, id, was=was, since=since, everything=body.replay == "all"),
        status=200,
    )


def _id(text: str) -> CallbackEndpointId:
    return CallbackEndpointId(in_path(Prefix.CALLBACK_ENDPOINT, text))
