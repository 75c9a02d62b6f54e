"""The platform's own surface: tenants and their keys, under /admin/v1, with an administrator's key."""

from datetime import datetime
from typing import Annotated

from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import UNSET, Meta, Struct, UnsetType, field

from messaging.application.access.issue_key import IssueKey
from messaging.application.access.revoke_key import RevokeKey
from messaging.application.tenants.change_tenant import ChangeTenant
from messaging.application.tenants.create_tenant import CreateTenant
from messaging.application.tenants.queries import FindTenant, ListKeys, ListTenants
from messaging.application.tenants.views import IssuedKeyView, KeyView, TenantView
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Category
from messaging.domain.shared.ids import KeyId, Prefix, TenantId
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.unclear import UnclearChoices
from messaging.domain.tenants.limits import Quota, SubmissionLimits
from messaging.domain.tenants.tenant import KeyRole, TenantStatus
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.decoding.unclear import UnclearByModeBody
from messaging.entrypoints.api.edge.auth import AdminRequest
from messaging.entrypoints.api.edge.idempotency import Once, SealForTenant
from messaging.entrypoints.api.edge.operations import operation

Name = Annotated[str, Meta(min_length=1, max_length=200)]


class CreateTenantBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: Name


class QuotaBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """So many messages in every window of so many seconds."""

    messages: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    seconds: Annotated[int, Meta(ge=1, le=86_400)]

    def to_quota(self) -> Quota:
        return Quota(messages=self.messages, seconds=self.seconds)


class LimitsBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much the tenant may submit. What is left out follows the platform's default; null is no limit.

    `key` applies to each of the tenant's keys by itself.
    """

    tenant: QuotaBody | UnsetType | None = UNSET
    key: QuotaBody | UnsetType | None = UNSET
    channels: dict[Channel, QuotaBody] = field(default_factory=dict)
    categories: dict[Category, QuotaBody] = field(default_factory=dict)

    def to_limits(self) -> SubmissionLimits:
        return SubmissionLimits(
            tenant=self.tenant.to_quota() if isinstance(self.tenant, QuotaBody) else self.tenant,
            key=self.key.to_quota() if isinstance(self.key, QuotaBody) else self.key,
            channels={channel: quota.to_quota() for channel, quota in self.channels.items()},
            categories={category.value: quota.to_quota() for category, quota in self.categories.items()},
        )


class ChangeTenantBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. A suspended tenant's keys answer 403.

    `limits` replaces all of the tenant's own limits; null returns to the platform's defaults.
    """

    name: Name | UnsetType = UNSET
    status: TenantStatus | UnsetType = UNSET
    limits: LimitsBody | UnsetType | None = UNSET
    on_unknown: Annotated[
        UnclearByModeBody | UnsetType,
        Meta(description="What the tenant chose under /v1/settings, for each mode that is named; null takes it back."),
    ] = UNSET

    def to_choices(self) -> dict[Mode, UnclearChoices | None]:
        return self.on_unknown.to_choices() if isinstance(self.on_unknown, UnclearByModeBody) else {}

    def to_limits(self) -> SubmissionLimits | UnsetType | None:
        return self.limits.to_limits() if isinstance(self.limits, LimitsBody) else self.limits


class IssueKeyBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A `test` key runs the whole lifecycle against the sandbox provider. A role other than `owner` narrows it."""

    name: Name
    mode: Mode
    role: KeyRole = KeyRole.OWNER
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None


CREATE = Body(CreateTenantBody)
CHANGE = Body(ChangeTenantBody)
ISSUE = Body(IssueKeyBody)
PAGE = Query(PageQuery)


class TenantsController(Controller):
    path = "/admin/v1/tenants"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "create_tenant",
            "Tenants",
            "Create a tenant",
            status=201,
            body=CreateTenantBody,
            example={"name": "Acme"},
            returns=TenantView,
        ),
    )
    async def create(
        self, request: AdminRequest, create_tenant: NamedDependency[CreateTenant], once: NamedDependency[Once]
    ) -> Response[bytes]:
        body, raw = await CREATE.read(request)
        return await once(request, raw, lambda: create_tenant(name=body.name), status=201)

    @get(
        "/",
        opt=operation(
            "list_tenants",
            "Tenants",
            "List tenants, newest first",
            query=PageQuery,
            returns=ListView[TenantView],
        ),
    )
    async def list_tenants(
        self,
        request: AdminRequest,
        list_tenants: NamedDependency[ListTenants],
        cursors: NamedDependency[Cursors],
    ) -> ListView[TenantView]:
        query = PAGE.read(request)
        page = await list_tenants(before=cursors.uuid(request, query), limit=query.limit)
        return cursors.view(request, query, page)

    @get("/{tenant_id:str}", opt=operation("get_tenant", "Tenants", "Get a tenant", returns=TenantView))
    async def get_tenant(
        self, request: AdminRequest, tenant_id: FromPath[str], find_tenant: NamedDependency[FindTenant]
    ) -> TenantView:
        return await find_tenant(TenantId(in_path(Prefix.TENANT, tenant_id)))

    @patch(
        "/{tenant_id:str}",
        opt=operation(
            "change_tenant",
            "Tenants",
            "Rename, suspend, reactivate or limit a tenant",
            body=ChangeTenantBody,
            example={"limits": {"tenant": {"messages": 600, "seconds": 60}}},
            returns=TenantView,
        ),
    )
    async def change(
        self,
        request: AdminRequest,
        tenant_id: FromPath[str],
        change_tenant: NamedDependency[ChangeTenant],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = TenantId(in_path(Prefix.TENANT, tenant_id))
        body, raw = await CHANGE.read(request)
        return await once(
            request,
            raw,
            lambda: change_tenant(
                id, name=body.name, status=body.status, limits=body.to_limits(), on_unknown=body.to_choices()
            ),
            status=200,
        )


class KeysController(Controller):
    path = "/admin/v1/tenants/{tenant_id:str}/keys"

    @post(
        "/",
        status_code=201,
        opt=operation(
            "issue_key",
            "Keys",
            "Issue an API key",
            description="The key is shown in this answer only.",
            status=201,
            body=IssueKeyBody,
            example={"name": "Shop backend", "mode": "test"},
            returns=IssuedKeyView,
            problems=("quota_exceeded",),
        ),
    )
    async def issue(
        self,
        request: AdminRequest,
        tenant_id: FromPath[str],
        issue_key: NamedDependency[IssueKey],
        once: NamedDependency[Once],
        seal_for_tenant: NamedDependency[SealForTenant],
    ) -> Response[bytes]:
        id = TenantId(in_path(Prefix.TENANT, tenant_id))
        body, raw = await ISSUE.read(request)
        return await once(
            request,
            raw,
            lambda: issue_key(id, name=body.name, mode=body.mode, expires_at=body.expires_at, role=body.role),
            status=201,
            sealing=await seal_for_tenant(id),
        )

    @get(
        "/",
        opt=operation(
            "list_keys",
            "Keys",
            "List a tenant's keys, newest first",
            query=PageQuery,
            returns=ListView[KeyView],
        ),
    )
    async def list_keys(
        self,
        request: AdminRequest,
        tenant_id: FromPath[str],
        list_keys: NamedDependency[ListKeys],
        cursors: NamedDependency[Cursors],
    ) -> ListView[KeyView]:
        query = PAGE.read(request)
        id = TenantId(in_path(Prefix.TENANT, tenant_id))
        page = await list_keys(id, before=cursors.uuid(request, query), limit=query.limit)
        return cursors.view(request, query, page)

    @post(
        "/{key_id:str}/revoke",
        status_code=200,
        opt=operation(
            "revoke_key",
            "Keys",
            "Revoke an API key",
            description="It stops working everywhere within five seconds.",
            returns=KeyView,
        ),
    )
    async def revoke(
        self,
        request: AdminRequest,
        tenant_id: FromPath[str],
        key_id: FromPath[str],
        revoke_key: NamedDependency[RevokeKey],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        tenant = TenantId(in_path(Prefix.TENANT, tenant_id))
        key = KeyId(in_path(Prefix.KEY, key_id))
        return await once(request, b"", lambda: revoke_key(tenant, key), status=200)
