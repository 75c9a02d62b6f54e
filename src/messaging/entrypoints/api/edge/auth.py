"""Authenticates callers: a tenant's key opens /v1, an administrator's /admin/v1, and neither opens the other."""

from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.types import Guard
from msgspec import Struct

from messaging.application.access.authenticate import Admin, Authenticate, Suspended, Unknown
from messaging.application.tenants.limit_changes import LimitChanges
from messaging.domain.shared.errors import DomainError
from messaging.domain.tenants.tenant import Principal
from messaging.entrypoints.api.decoding.calls import Call
from messaging.entrypoints.api.edge.failed_keys import FailedKeys
from messaging.entrypoints.api.edge.operations import operation_of
from messaging.entrypoints.api.edge.roles import OF_MESSAGES, roles_for

TenantRequest = Request[Any, Principal, State]
AdminRequest = Request[Any, Admin, State]

# Methods of requests that change nothing.
_READING = ("GET", "HEAD", "OPTIONS")
Connection = ASGIConnection[Any, Any, Any, Any]


class Door(Struct, frozen=True, kw_only=True):
    """What stands between a request and its operation."""

    authenticate: Authenticate
    failed_keys: FailedKeys
    limit_changes: LimitChanges


def tenant_guard(door: Door) -> Guard:
    """Sets `request.auth` to the Principal. All reasons for 401 look the same from outside."""

    async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
        # OPTIONS is answered by the framework: it lists the methods of an address and is no operation of ours.
        method = connection.scope.get("method")
        operation_id = operation_of(handler.opt).id if method != "OPTIONS" else None
        await admit(door, connection, operation_id)
        if method not in _READING and operation_id not in OF_MESSAGES:
            await door.limit_changes(connection.scope["auth"].tenant_id)

    return guard


async def admit(door: Door, call: Call, operation_id: str | None) -> None:
    """Does what the guard does: the key's holder becomes `request.auth` if its role may call the operation."""
    key = _key_of(door, call)
    match await door.authenticate.tenant(key):
        case Principal() as principal:
            call.scope["auth"] = principal
            if operation_id is not None:
                _require_role(principal, operation_id)
        case Suspended():
            raise DomainError("tenant_suspended", "This tenant is suspended. Ask the platform's operator.")
        case Unknown():
            raise _unauthorized(door, call, key)


def admin_guard(door: Door) -> Guard:
    """Sets `request.auth` to the Admin."""

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        key = _key_of(door, connection)
        match await door.authenticate.admin(key):
            case Admin() as admin:
                connection.scope["auth"] = admin
            case Unknown():
                raise _unauthorized(door, connection, key)

    return guard


def _require_role(principal: Principal, operation_id: str) -> None:
    allowed = roles_for(operation_id)
    if principal.role not in allowed:
        names = ", ".join(sorted(allowed))
        raise DomainError("role_not_allowed", f"This key's role is {principal.role}; this operation needs: {names}.")


def _key_of(door: Door, call: Call) -> str:
    """The key a request carries, or an empty text. Raises TooManyFailedKeys; a missing key does not count as a wrong
    one.
    """
    if key := _bearer(call):
        door.failed_keys.turn_away(call.scope, in_use=lambda: door.authenticate.is_in_use(key))
    return key


def _bearer(call: Call) -> str:
    scheme, _, key = call.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _unauthorized(door: Door, call: Call, key: str) -> DomainError:
    """The refusal, which says when the key is of the other surface. The prefix of a key tells its kind to anybody, so
    this gives nothing away.

    A missing key does not count as a wrong one.
    """
    if key:
        door.failed_keys.failed(call.scope)
    administers, admin_key = call.scope["path"].startswith("/admin/"), key.startswith("mpk_admin_")
    if admin_key and not administers:
        detail = (
            "This is a platform administrator's key, which opens /admin/v1 only. Use a tenant's key: mpk_live_… or "
        )
        return DomainError("unauthorized", f"{detail}mpk_test_….")
    if administers and not admin_key and key.startswith(("mpk_live_", "mpk_test_")):
        detail = "This is a tenant's key, which opens /v1 only. Use a platform administrator's key: mpk_admin_…."
        return DomainError("unauthorized", detail)
    return DomainError("unauthorized", "Send a valid API key for this surface as Authorization: Bearer mpk_….")
