"""The answers other than success, shared by all operations: one schema (`Problem`), one entry per HTTP status."""

from http import HTTPStatus
from typing import Any

from messaging.entrypoints.api.edge.errors import PROBLEM_JSON, PROBLEMS

_REQUEST_ID = "req_8d1f2a44c0f94be2a7d01c95"


def response_name(status: int) -> str:
    """The component's name, such as `NotFound` for 404."""
    return "".join(part.capitalize() for part in HTTPStatus(status).name.split("_"))


def responses() -> dict[str, Any]:
    """One entry per status, with the codes it may carry and an example of each."""
    return {response_name(status): _response(status) for status in sorted({kind.status for kind in PROBLEMS.values()})}


def _response(status: int) -> dict[str, Any]:
    codes = [code for code, kind in PROBLEMS.items() if kind.status == status]
    return {
        "description": "; ".join(f"`{code}`: {PROBLEMS[code].title}" for code in codes),
        "content": {
            PROBLEM_JSON: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {code: {"value": _example(code)} for code in codes},
            }
        },
    }


def _example(code: str) -> dict[str, Any]:
    kind = PROBLEMS[code]
    errors = []
    if code == "validation_failed":
        errors = [
            {
                "pointer": "/content/variables/2",
                "code": "variable_missing",
                "detail": "The template's body needs a value for {{2}}.",
            }
        ]
    return {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "code": code,
        "detail": f"{kind.title}.",
        "errors": errors,
        "request_id": _REQUEST_ID,
    }
