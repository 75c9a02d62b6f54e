"""The contract as OpenAPI 3.1, built from the handlers and the very types that decode requests and encode answers."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec
from litestar import Controller
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

from messaging.domain.tenants.tenant import KeyRole
from messaging.entrypoints.api.admin import router as admin
from messaging.entrypoints.api.edge import limits
from messaging.entrypoints.api.edge.errors import PROBLEMS, Problem
from messaging.entrypoints.api.edge.idempotency import HEADER, KEY_PATTERN, REPLAYED_HEADER
from messaging.entrypoints.api.edge.operations import Operation, operation_of
from messaging.entrypoints.api.edge.roles import OF_MESSAGES, roles_for
from messaging.entrypoints.api.reference.describing import describe, described_schemas, with_public_names
from messaging.entrypoints.api.reference.posted.section import posted_schemas, webhooks_section
from messaging.entrypoints.api.reference.words import properties as words
from messaging.entrypoints.api.reference.words.examples import example_of
from messaging.entrypoints.api.reference.words.responses import response_name, responses
from messaging.entrypoints.api.v1.accounts import router as accounts
from messaging.entrypoints.api.v1.callbacks import deliveries_router as deliveries
from messaging.entrypoints.api.v1.callbacks import endpoints_router as endpoints
from messaging.entrypoints.api.v1.callbacks import events_router as events
from messaging.entrypoints.api.v1.conversations import router as conversations
from messaging.entrypoints.api.v1.messages import router as messages
from messaging.entrypoints.api.v1.templates import router as templates
from messaging.entrypoints.api.v1.tenant import router as tenant
from messaging.entrypoints.api.v1.webhooks import router as webhooks

TENANT_CONTROLLERS: Final[tuple[type[Controller], ...]] = (
    *messages.CONTROLLERS,
    *conversations.CONTROLLERS,
    *webhooks.CONTROLLERS,
    *events.CONTROLLERS,
    *deliveries.CONTROLLERS,
    *endpoints.CONTROLLERS,
    *templates.CONTROLLERS,
    *accounts.CONTROLLERS,
    *tenant.CONTROLLERS,
)
ADMIN_CONTROLLERS: Final = admin.CONTROLLERS

_REF = "#/components/schemas/{name}"
_PREFIXES = {
    "message_id": "msg",
    "template_id": "tpl",
    "own_template_id": "own",
    "sender_id": "snd",
    "account_id": "acc",
    "tenant_id": "ten",
    "key_id": "key",
    "event_id": "evt",
    "endpoint_id": "cbe",
    "job_id": "job",
}
_OF_THE_LISTENER = ("bad_request", "header_repeated", "request_timeout", "url_too_long", "head_too_large")
# Codes that any operation may be refused with.
_ALWAYS = ("unauthorized", "keys_throttled", "internal_error", "store_unavailable", "overloaded", *_OF_THE_LISTENER)
_OF_BODIES = ("malformed_json", "nesting_too_deep", "bad_request", "body_too_large", "unsupported_media_type")

_DESCRIPTION = """\
Publish intent; every accepted message reaches a reported end.

Errors are RFC 9457 problem documents with a stable `code` and every violation in `errors`. Every mutating operation
takes an `Idempotency-Key`: within 7 days a repetition is answered with the first answer. Lists page by cursor.
`x-roles` names the roles of the keys that open an operation.
"""


class Route(NamedTuple):
    method: str
    path: str
    operation: Operation
    admin: bool


def routes() -> Iterator[Route]:
    """Every documented operation, in the order of the reference page."""
    for administers, controllers in ((False, TENANT_CONTROLLERS), (True, ADMIN_CONTROLLERS)):
        for controller in controllers:
            for handler in vars(controller).values():
                if isinstance(handler, HTTPRouteHandler):
                    yield _route(controller, handler, admin=administers)


def _route(controller: type[Controller], handler: HTTPRouteHandler, *, admin: bool) -> Route:
    (method,) = handler.http_methods
    (sub_path,) = handler.paths
    path = re.sub(r"\{(\w+):str\}", r"{\1}", f"{vars(controller)['path']}{sub_path}").rstrip("/")
    return Route(str(method).lower(), path, operation_of(handler.opt), admin)


def openapi_document() -> dict[str, Any]:
    """The document, built without a running service."""
    found = list(routes())
    paths: dict[str, dict[str, Any]] = {}
    schema_of, components = _schemas(found)
    for route in found:
        paths.setdefault(route.path, {})[route.method] = _describe(route, schema_of)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Messaging API", "version": "1", "description": _DESCRIPTION},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(route.operation.tag for route in found)],
        "paths": with_public_names(paths) | _probe_paths(),
        "webhooks": with_public_names(webhooks_section()),
        "components": {
            "schemas": described_schemas(components | dict(posted_schemas())),
            "responses": responses(),
            "securitySchemes": {
                "tenant": _bearer("A tenant's key: mpk_live_… or mpk_test_…"),
                "admin": _bearer("A platform administrator's key: mpk_admin_…"),
            },
        },
    }
    # The document as JSON gives it back: without tuples and enum members.
    return dict(msgspec.json.decode(msgspec.json.encode(document)))


def _bearer(description: str) -> dict[str, Any]:
    return {"type": "http", "scheme": "bearer", "description": description}


def _schemas(found: Iterable[Route]) -> tuple[dict[Any, Any], dict[str, Any]]:
    wanted = [Problem]
    for route in found:
        wanted.extend(item for item in (route.operation.returns, route.operation.body) if item is not None)
    wanted = list(dict.fromkeys(wanted))
    refs, components = msgspec.json.schema_components(wanted, ref_template=_REF)
    return dict(zip(wanted, refs, strict=True)), components


def _describe(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    operation = route.operation
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "security": [{"admin" if route.admin else "tenant": []}],
        "responses": _responses(route, schema_of),
    }
    if not route.admin:
        described["x-roles"] = [role.value for role in KeyRole if role in roles_for(operation.id)]
    if operation.description:
        described["description"] = operation.description
    if parameters := _parameters(route):
        described["parameters"] = parameters
    if operation.body is not None:
        content: dict[str, Any] = {"schema": schema_of[operation.body]}
        if operation.example is not None:
            content["example"] = operation.example
        if operation.examples:
            content["examples"] = {name: {"value": value} for name, value in operation.examples.items()}
        described["requestBody"] = {
            "required": not operation.body_optional,
            "content": {"application/json": content},
        }
    return described


def _mutates(route: Route) -> bool:
    return route.method != "get"


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    for name in re.findall(r"\{(\w+)\}", route.path):
        schema: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": 999_999_999}
        if name in _PREFIXES:
            schema = {"type": "string", "pattern": f"^{_PREFIXES[name]}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$"}
        parameters.append(
            {"name": name, "in": "path", "required": True, "description": words.PATH_PARAMETERS[name], "schema": schema}
        )
    if route.operation.query is not None:
        parameters.extend(_query_parameters(route.operation.id, route.operation.query))
    if _mutates(route) and route.operation.id != "check_message":
        schema = {"type": "string", "pattern": KEY_PATTERN}
        parameters.append(
            {
                "name": HEADER,
                "in": "header",
                "required": False,
                "description": words.IDEMPOTENCY_KEY,
                "schema": schema,
            }
        )
    return parameters


def _query_parameters(operation_id: str, query: type[Struct]) -> Iterator[dict[str, Any]]:
    (_,), components = msgspec.json.schema_components([query], ref_template=_REF)
    for name, schema in components[query.__name__]["properties"].items():
        bare = describe(f"{operation_id}.{name}", name, _without_null(schema, components))
        text = bare.pop("description", "")
        # Several values stand in one parameter, with commas between them.
        several = {"style": "form", "explode": False} if bare.get("type") == "array" else {}
        yield {"name": name, "in": "query", "required": False, "description": text, **several, "schema": bare}


def _without_null(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    """The schema of a query parameter without null: a caller leaves the parameter out instead. References are written
    out.
    """
    given = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    if schema.get("default") is not None:
        given["default"] = schema["default"]
    for option in schema.get("anyOf", ()):
        if option != {"type": "null"}:
            given |= option
    if "enum" in given:
        given["enum"] = [value for value in given["enum"] if value is not None]
    if "$ref" in given:
        given |= components[given.pop("$ref").rsplit("/", 1)[1]]
    return given


def _responses(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    operation = route.operation
    good: dict[str, Any] = {
        "description": "Accepted and committed." if operation.status == 202 else "Done.",
        "content": {
            "application/json": {"schema": schema_of[operation.returns], "example": example_of(operation.returns)}
        },
    }
    if _mutates(route):
        flag = {"type": "string", "enum": ["true"]}
        good["headers"] = {REPLAYED_HEADER: _header(words.IDEMPOTENT_REPLAYED, flag)}
    if "rate_limited" in operation.problems:
        good["headers"][limits.POLICY_HEADER] = _header(words.RATE_LIMIT_POLICY, {"type": "string"})
        good["headers"][limits.HEADER] = _header(words.RATE_LIMIT, {"type": "string"})
    answers = {str(operation.status): good}
    for status in sorted({PROBLEMS[code].status for code in _codes(route)}):
        answers[str(status)] = {"$ref": f"#/components/responses/{response_name(status)}"}
    return answers


def _header(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "schema": schema, "required": False}


def _codes(route: Route) -> set[str]:
    operation = route.operation
    codes = {*_ALWAYS, *operation.problems}
    if not route.admin:
        codes |= {"tenant_suspended", "role_not_allowed"}
    if "{" in route.path:
        codes.add("not_found")
    if operation.query is not None:
        codes |= {"validation_failed", "cursor_invalid"}
    if operation.body is not None:
        codes |= {*_OF_BODIES, "validation_failed"}
    if _mutates(route) and not route.admin and operation.id not in OF_MESSAGES:
        codes.add("changes_limited")
    if _mutates(route):
        codes |= {"bad_request", "body_too_large", "idempotency_key_invalid", "idempotency_key_reused"}
        codes.add("request_in_flight")
    return codes


def _probe_paths() -> dict[str, Any]:
    text = {"text/plain": {"schema": {"type": "string"}}}
    anything = {"application/json": {"schema": {"type": "object"}}}
    return {
        "/healthz": {"get": _probe("get_health", "Is the process alive?", {"200": anything})},
        "/readyz": {"get": _probe("get_readiness", "May it take traffic?", {"200": anything, "503": anything})},
        "/metrics": {"get": _probe("get_metrics", "Prometheus metrics", {"200": text})},
    }


def _probe(id: str, summary: str, contents: dict[str, Any]) -> dict[str, Any]:
    return {
        "operationId": id,
        "tags": ["Operation"],
        "summary": summary,
        "security": [],
        "responses": {
            status: {"description": "As it is now.", "content": content} for status, content in contents.items()
        },
    }
