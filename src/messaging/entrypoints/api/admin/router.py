"""The routes about tenants, keys and jobs under /admin/v1, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.admin.admin_keys import AdminKeysController
from messaging.entrypoints.api.admin.incidents import IncidentsController
from messaging.entrypoints.api.admin.jobs import JobsController
from messaging.entrypoints.api.admin.tenants import KeysController, TenantsController
from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.edge.idempotency import SealForPlatform, SealForTenant

CONTROLLERS: Final[tuple[type[Controller], ...]] = (
    TenantsController,
    KeysController,
    AdminKeysController,
    JobsController,
    IncidentsController,
)


def router(tenants: UseCases, access: UseCases, outbox: UseCases, status: UseCases, adapters: UseCases) -> Router:
    seal_for_tenant = SealForTenant(snapshots=adapters.snapshots(), key_ring=adapters.key_ring())
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "create_tenant": use_case(tenants.create_tenant()),
            "change_tenant": use_case(tenants.change_tenant()),
            "find_tenant": use_case(tenants.find_tenant()),
            "list_tenants": use_case(tenants.list_tenants()),
            "issue_key": use_case(access.issue_key()),
            "list_keys": use_case(access.list_keys()),
            "revoke_key": use_case(access.revoke_key()),
            "seal_for_tenant": use_case(seal_for_tenant),
            "issue_admin_key": use_case(access.issue_admin_key()),
            "list_admin_keys": use_case(access.list_admin_keys()),
            "revoke_admin_key": use_case(access.revoke_admin_key()),
            "rotate_admin_key": use_case(access.rotate_admin_key()),
            "summarize_jobs": use_case(outbox.summarize()),
            "list_dead_jobs": use_case(outbox.list_dead()),
            "retry_dead_job": use_case(outbox.retry_dead()),
            "discard_dead_job": use_case(outbox.discard_dead()),
            "draft_incident": use_case(status.draft_incident()),
            "change_incident": use_case(status.change_incident()),
            "list_incidents": use_case(status.list_incidents()),
            "seal_for_platform": use_case(SealForPlatform(key_ring=adapters.key_ring())),
        },
    )
