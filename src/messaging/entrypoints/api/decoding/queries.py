"""Decodes the query of a request; unknown, repeated and wrong parameters are all reported at once."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar, get_args, get_origin

import msgspec
from litestar import Request
from msgspec import Meta, Struct
from msgspec.structs import fields, replace

from messaging.domain.shared.errors import DomainError, Violation
from messaging.domain.shared.refusals import invalid
from messaging.entrypoints.api.decoding.shape import nul_violations, shape_violations

Q = TypeVar("Q", bound=Struct)

DEFAULT_LIMIT, MAX_LIMIT = 20, 100

Limit = Annotated[int, Meta(ge=1, le=MAX_LIMIT, description="How many items at most.")]
After = Annotated[str, Meta(min_length=1, max_length=500, description="The `next_cursor` of the page before.")]

# An instant outside this range selects the same rows as the nearer end, and some cannot be converted to another time
# zone.
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

_SPACE_FOR_PLUS = re.compile(r"[\d-]{10}[Tt][\d:.]+ \d\d:\d\d")


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = DEFAULT_LIMIT
    after: After | None = None


class Query(Generic[Q]):
    """The query of one operation. A parameter whose type is a set takes several values, with commas between them."""

    def __init__(self, shape: type[Q]) -> None:
        self.shape = shape
        self._sets = frozenset(field.encode_name for field in fields(shape) if _takes_several(field.type))

    def read(self, request: Request[Any, Any, Any]) -> Q:
        """Raises DomainError `validation_failed`; pointers are `/<parameter>`."""
        given: dict[str, Any] = {}
        repeated: list[Violation] = []
        for name, value in request.query_params.multi_items():
            if name in given:
                detail = f"Give this parameter once{', with commas between its values' * (name in self._sets)}."
                repeated.append(Violation(pointer=f"/{name}", code="invalid_value", detail=detail))
            given[name] = value.split(",") if name in self._sets else _with_plus(value)
        try:
            value = msgspec.convert(given, self.shape, strict=False)
        except msgspec.ValidationError:
            wrong = shape_violations(given, self.shape, strict=False)
            raise self._refused(*wrong, *repeated, *nul_violations(given)) from None
        if found := (*repeated, *_too_lax(value, given), *nul_violations(given)):
            raise self._refused(*found)
        return value

    def _refused(self, *found: Violation) -> DomainError:
        """A violation that names the parameter, not the place within its value."""
        named = (replace(it, pointer=f"/{name}") if (name := _parameter(it)) in self._sets else it for it in found)
        return invalid(*dict.fromkeys(named))


def _parameter(violation: Violation) -> str:
    return violation.pointer.split("/")[1]


def _takes_several(type_: Any) -> bool:
    return get_origin(type_) is frozenset or any(map(_takes_several, get_args(type_)))


def _with_plus(value: str) -> str:
    """Puts back a plus sign that was not percent-encoded and arrived as a space: in an instant's offset only a plus can
    stand.
    """
    return value[:-6] + "+" + value[-5:] if _SPACE_FOR_PLUS.fullmatch(value) else value


def within_reason(instant: datetime | None) -> datetime | None:
    return None if instant is None else min(max(instant, _EARLIEST), _LATEST)


def _too_lax(value: Struct, given: dict[str, Any]) -> Iterator[Violation]:
    """Spellings that conversion from text accepts and the API's description does not allow: `null`, and instants as
    numbers.
    """
    for name, text in given.items():
        converted = getattr(value, name)
        if converted is None or (isinstance(converted, datetime) and text[4:5] != "-"):
            detail = "Leave the parameter out instead of null; write instants as RFC 3339 has it."
            yield Violation(pointer=f"/{name}", code="invalid_value", detail=detail)
