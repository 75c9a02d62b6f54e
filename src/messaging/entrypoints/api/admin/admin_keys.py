"""Keys of the platform's administrators: /admin/v1/keys."""

from datetime import datetime, timedelta
from typing import Annotated, Final

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from messaging.application.access.admin_keys import (
    AdminKeyView,
    IssueAdminKey,
    IssuedAdminKeyView,
    ListAdminKeys,
    RevokeAdminKey,
    RotateAdminKey,
    RotatedAdminKeyView,
)
from messaging.domain.shared.ids import KeyId, Prefix
from messaging.entrypoints.api.admin.tenants import Name
from messaging.entrypoints.api.decoding.bodies import Body, ReadBody, read_bytes, require_json
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import AdminRequest
from messaging.entrypoints.api.edge.idempotency import Once, SealForPlatform
from messaging.entrypoints.api.edge.operations import operation

MOST_OVERLAP_SECONDS: Final = 30 * 86_400

Instant = Annotated[datetime, Meta(tz=True)]


class IssueAdminKeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key that opens everything under /admin/v1."""

    name: Name
    expires_at: Instant | None = None


class RevokeAdminKeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """May be left out."""

    force: bool = False


class RotateAdminKeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new key has the old one's name."""

    overlap_seconds: Annotated[int, Meta(ge=0, le=MOST_OVERLAP_SECONDS)]
    expires_at: Instant | None = None
    force: bool = False


ISSUE = Body(IssueAdminKeyBody)
REVOKE = Body(RevokeAdminKeyBody)
ROTATE = Body(RotateAdminKeyBody)
PAGE = Query(PageQuery)


class AdminKeysController(Controller):
    path = "/admin/v1/keys"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "issue_admin_key",
            "Admin keys",
            "Issue an administrator's key",
            description="The key is shown in this answer only. The first one is made at the command line.",
            status=201,
            body=IssueAdminKeyBody,
            example={"name": "Ana", "expires_at": "2027-11-29T00:00:00Z"},
            returns=IssuedAdminKeyView,
        ),
    )
    async def issue(
        self,
        request: AdminRequest,
        issue_admin_key: NamedDependency[IssueAdminKey],
        once: NamedDependency[Once],
        seal_for_platform: NamedDependency[SealForPlatform],
    ) -> Response[bytes]:
        body, raw = await ISSUE.read(request)
        return await once(
            request,
            raw,
            lambda: issue_admin_key(name=body.name, expires_at=body.expires_at, by=request.auth.key_id),
            status=201,
            sealing=seal_for_platform(),
        )

    @get(
        "/",
        opt=operation(
            "list_admin_keys",
            "Admin keys",
            "List administrators' keys, newest first",
            query=PageQuery,
            returns=ListView[AdminKeyView],
        ),
    )
    async def list_admin_keys(
        self,
        request: AdminRequest,
        list_admin_keys: NamedDependency[ListAdminKeys],
        cursors: NamedDependency[Cursors],
    ) -> ListView[AdminKeyView]:
        query = PAGE.read(request)
        page = await list_admin_keys(before=cursors.uuid(request, query), limit=query.limit)
        return cursors.view(request, query, page)

    @post(
        "/{key_id:str}/revoke",
        status_code=200,
        opt=operation(
            "revoke_admin_key",
            "Admin keys",
            "Revoke an administrator's key",
            description="It stops working everywhere within five seconds. Refused with `force_required` if it is the "
            "key of this request, or if the last key that works would then end earlier than at present.",
            body=RevokeAdminKeyBody,
            body_optional=True,
            example={"force": False},
            returns=AdminKeyView,
            problems=("force_required",),
        ),
    )
    async def revoke(
        self,
        request: AdminRequest,
        key_id: FromPath[str],
        revoke_admin_key: NamedDependency[RevokeAdminKey],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = KeyId(in_path(Prefix.KEY, key_id))
        body, raw = await _read_revocation(request)
        return await once(
            request, raw, lambda: revoke_admin_key(id, by=request.auth.key_id, force=body.force), status=200
        )

    @post(
        "/{key_id:str}/rotate",
        status_code=201,
        opt=operation(
            "rotate_admin_key",
            "Admin keys",
            "Replace an administrator's key",
            description="The new key is shown in this answer only. The old one works until the overlap ends, or until "
            "its own `expires_at` if that comes first. Refused with `force_required` if the last key that works would "
            "then end earlier than at present, or if the key of this request would stop at once.",
            status=201,
            body=RotateAdminKeyBody,
            example={"overlap_seconds": 3600, "expires_at": "2027-11-29T00:00:00Z"},
            returns=RotatedAdminKeyView,
            problems=("force_required", "state_conflict"),
        ),
    )
    async def rotate(
        self,
        request: AdminRequest,
        key_id: FromPath[str],
        rotate_admin_key: NamedDependency[RotateAdminKey],
        once: NamedDependency[Once],
        seal_for_platform: NamedDependency[SealForPlatform],
    ) -> Response[bytes]:
        id = KeyId(in_path(Prefix.KEY, key_id))
        body, raw = await ROTATE.read(request)
        return await once(
            request,
            raw,
            lambda: rotate_admin_key(
                id,
                overlap=timedelta(seconds=body.overlap_seconds),
                expires_at=body.expires_at,
                by=request.auth.key_id,
                force=body.force,
            ),
            status=201,
            sealing=seal_for_platform(),
        )


async def _read_revocation(request: AdminRequest) -> ReadBody[RevokeAdminKeyBody]:
    """The body of a revocation, which a caller may leave out."""
    raw = await read_bytes(request)
    if not raw:
        return ReadBody(RevokeAdminKeyBody(), raw)
    require_json(request)
    return ReadBody(REVOKE.decode(raw), raw)
