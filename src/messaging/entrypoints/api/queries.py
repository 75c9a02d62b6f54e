"""How a request's query becomes a value: unknown, repeated and wrong parameters are all named at once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from litestar import Request
from msgspec import Meta, Struct

from messaging.domain.shared.errors import Violation
from messaging.domain.shared.refusals import invalid
from messaging.entrypoints.api.shape import nul_violations, shape_violations

Q = TypeVar("Q", bound=Struct)

DEFAULT_LIMIT, MAX_LIMIT = 20, 100

Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="How many items at most.")]
After = Annotated[str, Meta(min_length=1, max_length=500, description="The `next_cursor` of the page before.")]

# Instants outside this range select the same rows as its ends, and some of them do not survive a change of zone.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

_SPACE_FOR_PLUS = re.compile(r"[\d-]{10}[Tt][\d:.]+ \d\d:\d\d")


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = DEFAULT_LIMIT
    after: After | None = None


class Query(Generic[Q]):
    """The query of one operation."""

    def __init__(self, shape: type[Q]) -> None:
        self.shape = shape

    def read(self, request: Request[Any, Any, Any]) -> Q:
        """Raises DomainError `validation_failed`; pointers are `/<parameter>`."""
        given: dict[str, str] = {}
        repeated: list[Violation] = []
        for name, value in request.query_params.multi_items():
            if name in given:
                detail = "Give this parameter once."
                repeated.append(Violation(pointer=f"/{name}", code="invalid_value", detail=detail))
            given[name] = _with_plus(value)
        try:
            value = msgspec.convert(given, self.shape, strict=False)
        except msgspec.ValidationError:
            raise invalid(
                *shape_violations(given, self.shape, strict=False), *repeated, *nul_violations(given)
            ) from None
        if found := (*repeated, *_too_lax(value, given), *nul_violations(given)):
            raise invalid(*found)
        return value


def _with_plus(value: str) -> str:
    """A plus that was not percent-encoded arrives as a space; in an instant's offset it can only have been a plus."""
    return value[:-6] + "+" + value[-5:] if _SPACE_FOR_PLUS.fullmatch(value) else value


def within_reason(instant: datetime | None) -> datetime | None:
    return None if instant is None else min(max(instant, _EARLIEST), _LATEST)


def _too_lax(value: Struct, given: dict[str, str]) -> Iterator[Violation]:
    """Spellings that converting from text lets pass and the document does not know: `null`, and instants as numbers."""
    for name, text in given.items():
        converted = getattr(value, name)
        if converted is None or (isinstance(converted, datetime) and text[4:5] != "-"):
            detail = "Leave the parameter out instead of null; write instants as RFC 3339 has it."
            yield Violation(pointer=f"/{name}", code="invalid_value", detail=detail)
