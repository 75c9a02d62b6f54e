"""Checks the values of a message against a template's parameters, and completes them with the defaults."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Final, TypeGuard

from messaging.domain.content.links import link_problem
from messaging.domain.content.parameters import Scalar, Value
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import control_character, is_clean, is_plain, step, too_long, utf16_units
from messaging.domain.templates.own.definition import Parameter, ParameterType

MAX_TEXT: Final = 10_000
MAX_ITEMS: Final = 200
# Whole numbers up to this one are exact, also for those who read JSON numbers as floats.
MAX_NUMBER: Final = 2**53
# The number of surplus values that are listed; a mistaken client may send thousands.
_MOST_SURPLUS: Final = 20

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT: Final = re.compile(_DATE.pattern + r"T[0-9:.]{5,15}(?:Z|[+-][0-9]{2}:[0-9]{2})")

_LIKE: Final = {
    ParameterType.TEXT: 'a text, such as "Ana"',
    ParameterType.NUMBER: "a number between -2^53 and 2^53, such as 12.5",
    ParameterType.BOOLEAN: "true or false",
    ParameterType.DATE: 'a date, such as "2026-11-29"',
    ParameterType.DATETIME: 'an instant with its offset, such as "2026-11-29T09:30:00Z"',
    ParameterType.URL: "a public http or https link of at most 2000 characters",
    ParameterType.LIST: f"a list of at most {MAX_ITEMS} items",
}


def bind(parameters: Sequence[Parameter], given: Mapping[str, Value]) -> tuple[dict[str, Value], tuple[Violation, ...]]:
    """The values with which to render, and everything that is wrong with those given; pointers begin at the content."""
    found: list[Violation] = []
    values: dict[str, Value] = {}
    for parameter in parameters:
        value = given.get(parameter.name, parameter.default)
        if value is None:
            detail = f"The template needs {_LIKE[parameter.type]} here. Add it to variables."
            pointer = f"/variables/{parameter.name}"
            found.append(Violation(pointer=pointer, code="variable_missing", detail=detail))
            continue
        values[parameter.name] = value
        if parameter.name in given:
            found += value_violations(f"/variables/{parameter.name}", parameter, value)
    return values, (*found, *_surplus(parameters, given))


def value_violations(pointer: str, parameter: Parameter, value: Value) -> list[Violation]:
    """What is wrong with one value."""
    if parameter.type is ParameterType.LIST:
        return _list_violations(pointer, parameter, value)
    if not _fits(parameter.type, value):
        detail = f"The template takes {_LIKE[parameter.type]} here. Send one."
        return [Violation(pointer=pointer, code="variable_type", detail=detail)]
    return _text_violations(pointer, value)


def _fits(type_: ParameterType, value: object) -> bool:
    match type_:
        case ParameterType.TEXT:
            return isinstance(value, str)
        case ParameterType.NUMBER:
            return _is_number(value) and abs(value) <= MAX_NUMBER
        case ParameterType.BOOLEAN:
            return isinstance(value, bool)
        case ParameterType.DATE:
            return isinstance(value, str) and _is_date(value)
        case ParameterType.DATETIME:
            return isinstance(value, str) and _is_instant(value)
        case ParameterType.URL:
            return isinstance(value, str) and link_problem(value, https_only=False) is None
        case ParameterType.LIST:
            return isinstance(value, list)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_date(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_instant(text: str) -> bool:
    try:
        return _INSTANT.fullmatch(text) is not None and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _list_violations(pointer: str, parameter: Parameter, value: Value) -> list[Violation]:
    if not isinstance(value, list) or len(value) > MAX_ITEMS:
        detail = f"The template takes {_LIKE[ParameterType.LIST]} here. Send one."
        return [Violation(pointer=pointer, code="variable_type", detail=detail)]
    found: list[Violation] = []
    for index, item in enumerate(value):
        if len(found) > _MOST_SURPLUS:
            break
        found += _item_violations(f"{pointer}/{index}", parameter.fields, item)
    return found


def _item_violations(pointer: str, fields: tuple[str, ...], item: Scalar | dict[str, Scalar]) -> list[Violation]:
    if isinstance(item, dict) != bool(fields) or (isinstance(item, dict) and item.keys() != set(fields)):
        wanted = f"an object with exactly these fields: {', '.join(fields)}" if fields else "a plain value, no object"
        return [Violation(pointer=pointer, code="variable_type", detail=f"Each item of this list is {wanted}.")]
    found: list[Violation] = []
    for name, value in item.items() if isinstance(item, dict) else (("", item),):
        found += _scalar_violations(pointer + (f"/{name}" if name else ""), value)
    return found


def _scalar_violations(pointer: str, value: Scalar) -> list[Violation]:
    if _is_number(value) and not _fits(ParameterType.NUMBER, value):
        detail = f"The template takes {_LIKE[ParameterType.NUMBER]} here. Send one."
        return [Violation(pointer=pointer, code="variable_type", detail=detail)]
    return _text_violations(pointer, value)


def _text_violations(pointer: str, value: object) -> list[Violation]:
    if not isinstance(value, str) or (is_plain(value) and len(value) <= MAX_TEXT):
        return []
    found = [] if is_clean(value) else [control_character(pointer)]
    if (units := utf16_units(value)) > MAX_TEXT:
        found.append(too_long(pointer, units=units, limit=MAX_TEXT))
    return found


def _surplus(parameters: Sequence[Parameter], given: Mapping[str, Value]) -> list[Violation]:
    names = [parameter.name for parameter in parameters]
    surplus = [name for name in given if name not in names]
    expected = ", ".join(names) or "none at all"
    if len(surplus) > _MOST_SURPLUS:
        detail = f"{len(surplus)} variables are not parameters of the template, which has: {expected}. Remove them."
        return [Violation(pointer="/variables", code="variable_unexpected", detail=detail)]
    detail = f"The template has no such parameter, but: {expected}. Remove it, or correct its name."
    return [Violation(pointer=f"/variables{step(name)}", code="variable_unexpected", detail=detail) for name in surplus]
