"""The instants that a body may contain: those that can be converted between time zones and added to."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, get_args, get_origin

from msgspec import Struct
from msgspec.structs import fields

from messaging.domain.shared.errors import Violation

_EARLIEST: Final = datetime(2, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9998, 12, 1, tzinfo=UTC)
_DETAIL: Final = "This instant is at an end of the calendar. Write one between the years 2 and 9998, or leave it out."

# The fields that lead to an instant, from the outside in: the attribute's name and the name in JSON.
Path = tuple[tuple[str, str], ...]


def instants_in(shape: Any) -> tuple[Path, ...]:
    """The places in a shape that hold instants, also in structs within structs."""
    return tuple(_paths(shape))


def violations_in(value: Any, paths: tuple[Path, ...]) -> Iterator[Violation]:
    """A violation for each instant of `value` that cannot be converted between time zones or added to."""
    for path in paths:
        found = value
        for attribute, _ in path:
            found = getattr(found, attribute, None)
        if isinstance(found, datetime) and not _EARLIEST <= found <= _LATEST:
            yield Violation(pointer="".join(f"/{name}" for _, name in path), code="invalid_value", detail=_DETAIL)


def _paths(shape: Any) -> Iterator[Path]:
    if get_origin(shape) is Annotated:
        shape = get_args(shape)[0]
    if isinstance(shape, type) and issubclass(shape, Struct):
        for field in fields(shape):
            here = (field.name, field.encode_name)
            yield from ((here, *rest) for rest in _paths(field.type))
    elif shape is datetime:
        yield ()
    elif get_origin(shape) not in (dict, list, tuple):
        for member in get_args(shape):
            yield from _paths(member)
