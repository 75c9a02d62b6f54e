"""Lists every violation in the shape of a refused request, not just the first.

The compiled decoder stops at the first violation, which is right for good requests. Only after it has refused is the
value walked along its type: each part that does not convert is searched for the innermost values that do not.
"""

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from enum import Enum
from itertools import islice
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Struct, UnsetType
from msgspec.structs import FieldInfo, fields

from messaging.domain.shared.errors import MAX_LISTED, Violation
from messaging.entrypoints.api.decoding.plain_texts import in_plain_words

_MAX_POINTER = 200
# A name of more characters is not looked at as a misspelling of one of ours.
_LONGEST_NAME = 60
# The number of unknown names in an object for which a similar name is suggested: comparing costs time, and a body may
# have thousands of names.
_MOST_ADVICE = 5


def shape_violations(value: Any, expected: Any, *, strict: bool = True) -> tuple[Violation, ...]:
    """The violations, at most `MAX_LISTED`; an empty result means that `value` converts to `expected`."""
    return tuple(islice(_violations(value, expected, "", strict), MAX_LISTED))


def nul_violations(value: Any) -> tuple[Violation, ...]:
    """A violation for each string or name with a NUL character: PostgreSQL cannot store one."""
    return tuple(islice(_nuls(value, ""), MAX_LISTED))


def _violations(value: Any, expected: Any, pointer: str, strict: bool) -> Iterator[Violation]:
    try:
        msgspec.convert(value, expected, strict=strict)
    except msgspec.ValidationError as error:
        inner = False
        for violation in _inside(value, expected, pointer, strict):
            inner = True
            yield violation
        if not inner:
            yield _own(expected, pointer, str(error))


def _inside(value: Any, expected: Any, pointer: str, strict: bool) -> Iterator[Violation]:
    expected = _bare(expected)
    members = _members(expected)
    if members and isinstance(value, dict) and all(_is_struct(member) for member in members):
        yield from _inside_struct(value, members, pointer, strict)
    elif get_origin(expected) in (dict, Mapping) and isinstance(value, dict):
        of_key, of_value = get_args(expected)
        for key, item in value.items():
            yield from _violations(key, of_key, _step(pointer, key), strict)
            yield from _violations(item, of_value, _step(pointer, key), strict)
    elif get_origin(expected) in (list, tuple, frozenset) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _violations(item, get_args(expected)[0], _step(pointer, str(index)), strict)
    elif len(members) == 1 and members[0] is not expected:
        yield from _inside(value, members[0], pointer, strict)


def _inside_struct(
    value: dict[str, Any], members: tuple[type[Struct], ...], pointer: str, strict: bool
) -> Iterator[Violation]:
    struct = members[0]
    config = struct.__struct_config__
    if len(members) > 1:
        by_tag = {member.__struct_config__.tag: member for member in members}
        tag_field = config.tag_field or "type"
        tag = value.get(tag_field)
        if not isinstance(tag, str) or tag not in by_tag:
            yield _one_of(_step(pointer, tag_field), by_tag, missing=tag_field not in value)
            yield from _shared(value, members, pointer, strict)
            return
        struct = by_tag[tag]
    known = {info.encode_name: info for info in fields(struct)}
    for name, info in known.items():
        yield from _field(value, name, info, pointer, strict)
    if struct.__struct_config__.forbid_unknown_fields:
        tag_name = struct.__struct_config__.tag_field
        unknown = (name for name in value if name not in known and name != tag_name)
        for position, name in enumerate(unknown):
            yield _unknown(name, known if position < _MOST_ADVICE else (), pointer)


def _shared(
    value: dict[str, Any], members: tuple[type[Struct], ...], pointer: str, strict: bool
) -> Iterator[Violation]:
    """The violations that there are whichever member of a union is meant: in fields that all of them have."""
    first, *others = ({info.encode_name: info for info in fields(member)} for member in members)
    for name, info in first.items():
        alike = [other[name] for other in others if name in other]
        absent = name not in value and all(it.required for it in (info, *alike))
        if len(alike) == len(others) and (absent or all(it.type == info.type for it in alike)):
            yield from _field(value, name, info, pointer, strict)


def _unknown(name: str, known: Collection[str], pointer: str) -> Violation:
    close = get_close_matches(name[:_LONGEST_NAME], known, n=1)
    advice = f"Did you mean {close[0]}?" if close else "Leave it out, or check its spelling."
    return Violation(pointer=_step(pointer, name), code="unknown_field", detail=f"There is no such field. {advice}")


def _field(value: dict[str, Any], name: str, info: FieldInfo, pointer: str, strict: bool) -> Iterator[Violation]:
    if name in value:
        yield from _violations(value[name], info.type, _step(pointer, name), strict)
    elif info.default is NODEFAULT and info.default_factory is NODEFAULT:
        yield Violation(pointer=_step(pointer, name), code="missing_field", detail="This field is required.")


def _own(expected: Any, pointer: str, message: str) -> Violation:
    """The violation of a value whose inner parts are all right. It never quotes the value."""
    choices = _choices(expected)
    if choices and not message.startswith("Expected"):
        return _one_of(pointer, choices, missing=False)
    text = message.split(" - at `")[0]
    wrong_type = text.startswith("Expected `") and ", got `" in text
    detail = f"{in_plain_words(text)}."
    return Violation(pointer=pointer, code="wrong_type" if wrong_type else "invalid_value", detail=detail)


def _one_of(pointer: str, choices: Any, *, missing: bool) -> Violation:
    detail = f"Use one of: {', '.join(sorted(str(choice) for choice in choices))}."
    return Violation(pointer=pointer, code="missing_field" if missing else "invalid_value", detail=detail)


def _choices(expected: Any) -> tuple[str, ...]:
    for member in _members(_bare(expected)):
        if isinstance(member, type) and issubclass(member, Enum):
            return tuple(str(item.value) for item in member)
        if get_origin(member) is Literal:
            return tuple(str(item) for item in get_args(member))
    return ()


def _bare(expected: Any) -> Any:
    return get_args(expected)[0] if get_origin(expected) is Annotated else expected


def _members(expected: Any) -> tuple[Any, ...]:
    """The types that a union allows, without null and absence; a type that is no union is its own only member."""
    if get_origin(expected) not in (Union, UnionType):
        return (expected,)
    return tuple(_bare(member) for member in get_args(expected) if member not in (type(None), UnsetType))


def _is_struct(member: Any) -> bool:
    return isinstance(member, type) and issubclass(member, Struct)


def _step(pointer: str, name: str) -> str:
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"[:_MAX_POINTER]


def _nuls(value: Any, pointer: str) -> Iterator[Violation]:
    match value:
        case str() if "\0" in value:
            detail = "NUL characters cannot be stored or sent. Remove them."
            yield Violation(pointer=pointer.replace("\0", ""), code="nul_character", detail=detail)
        case dict():
            for name, item in value.items():
                yield from _nuls(name, _step(pointer, name))
                yield from _nuls(item, _step(pointer, name))
        case list():
            for index, item in enumerate(value):
                yield from _nuls(item, _step(pointer, str(index)))
        case _:
            return
