"""Callback endpoints: /v1/callback-endpoints, what is posted where, and with which secrets it is signed."""

from typing import Final

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from messaging.application.callbacks.endpoints.change import ChangeEndpoint, DeleteEndpoint
from messaging.application.callbacks.endpoints.create import CreateEndpoint
from messaging.application.callbacks.endpoints.queries import FindEndpoint, ListEndpoints
from messaging.application.callbacks.endpoints.rotate import RevokePreviousSecret, RotateSecret
from messaging.application.callbacks.endpoints.send_test import SendTest, SentTestView
from messaging.application.callbacks.endpoints.views import (
    CallbackEndpointDetailView,
    CallbackEndpointView,
    CreatedCallbackEndpointView,
    RotatedSecretView,
)
from messaging.domain.shared.ids import CallbackEndpointId, Prefix
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once, SealForTenant
from messaging.entrypoints.api.edge.operations import operation
from messaging.entrypoints.api.v1.callbacks.endpoint_bodies import (
    EXAMPLE,
    ChangeCallbackEndpointBody,
    CreateCallbackEndpointBody,
    RotateSecretBody,
)

TAG: Final = "Callbacks"

CREATE = Body(CreateCallbackEndpointBody)
CHANGE = Body(ChangeCallbackEndpointBody)
ROTATE = Body(RotateSecretBody)
LIST = Query(PageQuery)


class EndpointsController(Controller):
    path = "/v1/callback-endpoints"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "create_callback_endpoint",
            TAG,
            "Create a callback endpoint",
            description="Of this key's mode. The secret is shown in this answer only; callbacks are verified with it "
            "(Standard Webhooks). Everything that is wrong with the request is listed. Whether the address may be "
            "reached is decided with every attempt. Events are posted from a second after creation on.",
            status=201,
            body=CreateCallbackEndpointBody,
            example=EXAMPLE,
            returns=CreatedCallbackEndpointView,
            problems=("quota_exceeded",),
        ),
    )
    async def create(
        self,
        request: TenantRequest,
        create_endpoint: NamedDependency[CreateEndpoint],
        once: NamedDependency[Once],
        seal_for_tenant: NamedDependency[SealForTenant],
    ) -> Response[bytes]:
        body, raw = await CREATE.read(request)
        return await once(
            request,
            raw,
            lambda: create_endpoint(request.auth, body.to_chosen()),
            status=201,
            sealing=await seal_for_tenant(request.auth.tenant_id),
        )

    @get(
        "/",
        opt=operation(
            "list_callback_endpoints",
            TAG,
            "List callback endpoints, newest first",
            query=PageQuery,
            returns=ListView[CallbackEndpointView],
        ),
    )
    async def list_endpoints(
        self,
        request: TenantRequest,
        list_endpoints: NamedDependency[ListEndpoints],
        cursors: NamedDependency[Cursors],
    ) -> ListView[CallbackEndpointView]:
        query = LIST.read(request)
        page = await list_endpoints(request.auth, before=cursors.uuid(request, query), limit=query.limit)
        return cursors.view(request, query, page)

    @get(
        "/{endpoint_id:str}",
        opt=operation("get_callback_endpoint", TAG, "Get a callback endpoint", returns=CallbackEndpointDetailView),
    )
    async def get_endpoint(
        self, request: TenantRequest, endpoint_id: FromPath[str], find_endpoint: NamedDependency[FindEndpoint]
    ) -> CallbackEndpointDetailView:
        return await find_endpoint(request.auth, id_in(endpoint_id))

    @patch(
        "/{endpoint_id:str}",
        opt=operation(
            "change_callback_endpoint",
            TAG,
            "Change a callback endpoint",
            description="In force within a second. Events that wait already are posted to the new URL.",
            body=ChangeCallbackEndpointBody,
            example={"event_types": ["message.delivered", "message.failed"]},
            returns=CallbackEndpointView,
            problems=("state_conflict",),
        ),
    )
    async def change(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        change_endpoint: NamedDependency[ChangeEndpoint],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = id_in(endpoint_id)
        body, raw = await CHANGE.read(request)
        return await once(request, raw, lambda: change_endpoint(request.auth, id, body.to_changes()), status=200)

    @delete(
        "/{endpoint_id:str}",
        status_code=200,
        opt=operation(
            "delete_callback_endpoint",
            TAG,
            "Delete a callback endpoint",
            description="What waits for it is not posted any more. Its URL, headers and secrets are erased.",
            returns=CallbackEndpointView,
        ),
    )
    async def delete_endpoint(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        delete_endpoint: NamedDependency[DeleteEndpoint],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = id_in(endpoint_id)
        return await once(request, b"", lambda: delete_endpoint(request.auth, id), status=200)

    @post(
        "/{endpoint_id:str}/rotate-secret",
        status_code=200,
        opt=operation(
            "rotate_callback_secret",
            TAG,
            "Replace the secret",
            description="The new secret is shown in this answer only. Until the overlap ends callbacks carry a "
            "signature by each of the two secrets, and a receiver accepts either.",
            body=RotateSecretBody,
            body_optional=True,
            example={"overlap_seconds": 86_400},
            returns=RotatedSecretView,
            problems=("rotation_in_progress", "state_conflict"),
        ),
    )
    async def rotate(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        rotate_secret: NamedDependency[RotateSecret],
        once: NamedDependency[Once],
        seal_for_tenant: NamedDependency[SealForTenant],
    ) -> Response[bytes]:
        id = id_in(endpoint_id)
        body, raw = await ROTATE.read_or(RotateSecretBody(), request)
        return await once(
            request,
            raw,
            lambda: rotate_secret(request.auth, id, overlap=body.overlap(), force=body.force),
            status=200,
            sealing=await seal_for_tenant(request.auth.tenant_id),
        )

    @post(
        "/{endpoint_id:str}/revoke-previous-secret",
        status_code=200,
        opt=operation(
            "revoke_previous_callback_secret",
            TAG,
            "End the overlap of a rotation",
            description="Only the newest secret signs from now on. Without a previous one nothing changes.",
            returns=CallbackEndpointDetailView,
            problems=("state_conflict",),
        ),
    )
    async def revoke_previous(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        revoke_previous_secret: NamedDependency[RevokePreviousSecret],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = id_in(endpoint_id)
        return await once(request, b"", lambda: revoke_previous_secret(request.auth, id), status=200)

    @post(
        "/{endpoint_id:str}/test",
        status_code=202,
        opt=operation(
            "send_callback_test",
            TAG,
            "Send a test event to an endpoint",
            description="An `endpoint.test` is recorded and posted as any other event is, to this endpoint only, "
            "whatever it is told of otherwise. Its deliveries show the answer a moment later.",
            status=202,
            returns=SentTestView,
            problems=("state_conflict",),
        ),
    )
    async def send_test(
        self,
        request: TenantRequest,
        endpoint_id: FromPath[str],
        send_test: NamedDependency[SendTest],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = id_in(endpoint_id)
        return await once(request, b"", lambda: send_test(request.auth, id), status=202)


def id_in(text: str) -> CallbackEndpointId:
    return CallbackEndpointId(in_path(Prefix.CALLBACK_ENDPOINT, text))
