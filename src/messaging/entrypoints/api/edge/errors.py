"""Turns every refusal and failure into an answer: one table of codes, one document format (RFC 9457)."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from msgspec import Struct

from messaging.application.gather import Overloaded
from messaging.application.messages.accepting.submission_limits import RateLimited
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.errors import MAX_LISTED, DomainError, Violation
from messaging.entrypoints.api.edge.edge import request_id_of
from messaging.entrypoints.api.edge.limits import limit_headers
from messaging.entrypoints.http_server.refusals import (
    HEAD_TOO_LARGE,
    HEADER_REPEATED,
    REQUEST_TIMEOUT,
    URL_TOO_LONG,
    Refusal,
)

PROBLEM_JSON = "application/problem+json"
# Seconds, for Retry-After: long enough for PostgreSQL to restart, short enough not to look like an outage.
RETRY_AFTER_SECONDS = 2

AnyRequest = Request[Any, Any, Any]

_log = structlog.get_logger("api")


class Kind(NamedTuple):
    status: int
    title: str


def _before_any_operation(refusal: Refusal) -> Kind:
    """A refusal that the HTTP listener sends without asking the application; its code is listed with all others."""
    return Kind(refusal.status, refusal.title)


PROBLEMS: dict[str, Kind] = {
    "malformed_json": Kind(400, "The body is not JSON"),
    "nesting_too_deep": Kind(400, "The body is nested too deeply"),
    "bad_request": Kind(400, "The request cannot be read"),
    "header_repeated": _before_any_operation(HEADER_REPEATED),
    "unauthorized": Kind(401, "A valid API key is needed"),
    "tenant_suspended": Kind(403, "The tenant is suspended"),
    "role_not_allowed": Kind(403, "The key's role does not allow this"),
    "not_found": Kind(404, "Nothing here under this id"),
    "route_not_found": Kind(404, "No such address"),
    "method_not_allowed": Kind(405, "Method not allowed here"),
    "request_timeout": _before_any_operation(REQUEST_TIMEOUT),
    "already_exists": Kind(409, "It exists already"),
    "quota_exceeded": Kind(409, "The tenant has as many of these as it may have"),
    "state_conflict": Kind(409, "Not possible in the present state"),
    "rotation_in_progress": Kind(409, "The secret before still signs"),
    "duplicate_risk": Kind(409, "Might be sent twice"),
    "force_required": Kind(409, "Needs to be forced"),
    "request_in_flight": Kind(409, "The same request is still being worked on"),
    "body_too_large": Kind(413, "The body is too large"),
    "url_too_long": _before_any_operation(URL_TOO_LONG),
    "unsupported_media_type": Kind(415, "Unsupported media type"),
    "validation_failed": Kind(422, "The request breaks a rule"),
    "cursor_invalid": Kind(422, "The cursor is not one of ours"),
    "idempotency_key_invalid": Kind(422, "The Idempotency-Key cannot be used"),
    "idempotency_key_reused": Kind(422, "The Idempotency-Key was used for another request"),
    "provider_refused": Kind(422, "The provider refused"),
    "rate_limited": Kind(429, "Too many messages in too little time"),
    "changes_limited": Kind(429, "Too many changes of the configuration in too little time"),
    "keys_throttled": Kind(429, "Too many wrong keys from this network"),
    "head_too_large": _before_any_operation(HEAD_TOO_LARGE),
    "internal_error": Kind(500, "Something went wrong on our side"),
    "provider_unavailable": Kind(502, "The provider did not answer"),
    "overloaded": Kind(503, "Too much at once"),
    "store_unavailable": Kind(503, "The database cannot be reached"),
}

_RETRY_LATER = frozenset({"request_in_flight", "provider_unavailable", "overloaded", "store_unavailable"})


class Problem(Struct, frozen=True, kw_only=True):
    """Media type application/problem+json. `type` is the page that explains `code`; `errors` lists every violation."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    errors: tuple[Violation, ...]
    request_id: str


_encode = msgspec.json.Encoder().encode


def problem_response(
    request_id: str,
    code: str,
    detail: str,
    *,
    errors: tuple[Violation, ...] = (),
    headers: dict[str, str] | None = None,
) -> Response[bytes]:
    kind = PROBLEMS[code]
    if (omitted := len(errors) - MAX_LISTED) > 0:
        errors, detail = errors[:MAX_LISTED], f"{detail} {omitted} more reasons are not listed."
    problem = Problem(
        type=f"/problems/{code}",
        title=kind.title,
        status=kind.status,
        code=code,
        detail=detail,
        errors=errors,
        request_id=request_id,
    )
    extra = dict(headers or {})
    if code in _RETRY_LATER:
        extra["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if kind.status == 401:
        extra["WWW-Authenticate"] = 'Bearer realm="messaging"'
    return Response(_encode(problem), status_code=kind.status, media_type=PROBLEM_JSON, headers=extra)


def on_domain_error(request: AnyRequest, error: DomainError) -> Response[bytes]:
    if error.code not in PROBLEMS:
        return on_anything_else(request, error)
    headers = limit_headers(error.balances) if isinstance(error, RateLimited) else {}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    return problem_response(
        request_id_of(request.scope), error.code, error.detail, errors=error.violations, headers=headers
    )


def on_http_exception(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """Answers what the framework itself refuses: an unknown address, or a method that the address does not have."""
    request_id = request_id_of(request.scope)
    if isinstance(error, MethodNotAllowedException):
        detail = "This address exists, but not with this method. The Allow header lists the ones it has."
        return problem_response(request_id, "method_not_allowed", detail, headers=dict(error.headers or {}))
    if isinstance(error, NotFoundException):
        detail = "No operation has this address. /docs lists them all."
        return problem_response(request_id, "route_not_found", detail)
    if error.status_code < 500:
        return problem_response(request_id, "bad_request", "The request could not be understood.")
    return on_anything_else(request, error)


def on_unavailable(request: AnyRequest, error: StoreUnavailable) -> Response[bytes]:
    detail = "The database cannot be reached at the moment and nothing was changed. Try the same request again."
    return problem_response(request_id_of(request.scope), "store_unavailable", detail)


def on_overloaded(request: AnyRequest, error: Overloaded) -> Response[bytes]:
    detail = "More requests are waiting than can be served soon. Nothing was changed; try the same request again."
    return problem_response(request_id_of(request.scope), "overloaded", detail)


def on_anything_else(request: AnyRequest, error: Exception) -> Response[bytes]:
    """Answers a defect of ours: the log gets the traceback, the caller a request id."""
    _log.error("request.failed", exc_info=error)
    detail = "It has been logged. If it happens again, report the request_id."
    return problem_response(request_id_of(request.scope), "internal_error", detail)


HANDLERS: Final[dict[int | type[Exception], Callable[[AnyRequest, Any], Response[Any]]]] = {
    DomainError: on_domain_error,
    HTTPException: on_http_exception,
    StoreUnavailable: on_unavailable,
    Overloaded: on_overloaded,
    Exception: on_anything_else,
}


def problem_of(request: AnyRequest, error: Exception) -> Response[Any]:
    """The problem document of an exception, chosen as the framework would choose among `HANDLERS`."""
    handle = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    return handle(request, error)
