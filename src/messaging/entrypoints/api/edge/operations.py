"""The description of an operation for the reference page and openapi.json, kept beside its handler."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct


class Operation(Struct, frozen=True, kw_only=True):
    """`id` is stable: generated clients name their methods by it. `problems` lists the codes beyond the usual ones.

    The usual ones follow from the rest: keys, bodies, queries and path ids bring theirs along. `examples` are those of
    a body that may have one of several shapes, by the name of the shape.
    """

    id: str
    tag: str
    summary: str
    returns: Any
    status: int = 200
    description: str = ""
    body: Any = None
    body_optional: bool = False
    example: Any = None
    examples: Mapping[str, Any] = {}
    query: type[Struct] | None = None
    problems: tuple[str, ...] = ()


def operation(
    id: str,
    tag: str,
    summary: str,
    *,
    returns: Any,
    status: int = 200,
    description: str = "",
    body: Any = None,
    body_optional: bool = False,
    example: Any = None,
    examples: Mapping[str, Any] | None = None,
    query: type[Struct] | None = None,
    problems: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The `opt` of a route handler, which carries the operation's description."""
    return {
        "operation": Operation(
            id=id,
            tag=tag,
            summary=summary,
            returns=returns,
            status=status,
            description=description,
            body=body,
            body_optional=body_optional,
            example=example,
            examples=examples or {},
            query=query,
            problems=problems,
        )
    }


def operation_of(opt: dict[str, Any]) -> Operation:
    found = opt["operation"]
    assert isinstance(found, Operation)
    return found
