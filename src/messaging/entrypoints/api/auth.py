"""Who may enter: a tenant's key for /v1, an administrator's for /admin/v1, neither for the other."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard

from messaging.application.tenants.authenticate import Admin, Authenticate, Suspended, Unknown
from messaging.domain.shared.errors import DomainError
from messaging.domain.tenants.tenant import Principal
from messaging.entrypoints.api.calls import Call
from messaging.entrypoints.api.operations import operation_of
from messaging.entrypoints.api.roles import roles_for

TenantRequest = Request[Any, Principal, State]
AdminRequest = Request[Any, Admin, State]

Connection = ASGIConnection[Any, Any, Any, Any]


def tenant_guard(authenticate: Authenticate) -> Guard:
    """Sets `request.auth` to the Principal. All reasons for 401 look the same from outside."""

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        # OPTIONS is the framework's own: it tells which methods an address has, and is no operation.
        operates = connection.scope.get("method") != "OPTIONS"
        await admit(authenticate, connection, operation_of(handler.opt).id if operates else None)

    return guard


async def admit(authenticate: Authenticate, call: Call, operation_id: str | None) -> None:
    """What the guard does: the key's holder becomes `request.auth`, if its role opens the operation."""
    match await authenticate.tenant(_bearer(call)):
        case Principal() as principal:
            call.scope["auth"] = principal
            if operation_id is not None:
                _require_role(principal, operation_id)
        case Suspended():
            raise DomainError("tenant_suspended", "This tenant is suspended. Ask the platform's operator.")
        case Unknown():
            raise _unauthorized(call)


def admin_guard(authenticate: Authenticate) -> Guard:
    """Sets `request.auth` to the Admin."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        match await authenticate.admin(_bearer(connection)):
            case Admin() as admin:
                connection.scope["auth"] = admin
            case Unknown():
                raise _unauthorized(connection)

    return guard


def _require_role(principal: Principal, operation_id: str) -> None:
    allowed = roles_for(operation_id)
    if principal.role not in allowed:
        names = ", ".join(sorted(allowed))
        raise DomainError("role_not_allowed", f"This key's role is {principal.role}; this operation needs: {names}.")


def _bearer(call: Call) -> str:
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _unauthorized(call: Call) -> DomainError:
    """A key's kind stands in its beginning, so telling that it is of the other kind gives nothing away."""
    administers, admin_key = call.scope["path"].startswith("/admin/"), _bearer(call).startswith("mpk_admin_")
    if admin_key and not administers:
        detail = (
            "This is a platform administrator's key, which opens /admin/v1 only. Use a tenant's key: mpk_live_… or "
        )
        return DomainError("unauthorized", f"{detail}mpk_test_….")
    if administers and not admin_key and _bearer(call).startswith(("mpk_live_", "mpk_test_")):
        detail = "This is a tenant's key, which opens /v1 only. Use a platform administrator's key: mpk_admin_…."
        return DomainError("unauthorized", detail)
    return DomainError("unauthorized", "Send a valid API key for this surface as Authorization: Bearer mpk_….")
