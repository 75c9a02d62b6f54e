"""Checks a template of the tenant's own when it is stored: names, parameters, languages and every text, all at once.

Pointers are relative to the definition, but for those of the template's name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from messaging.domain.channels.address import Channel
from messaging.domain.content.html import html_flaws
from messaging.domain.content.parameters import Value
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_blank, is_clean
from messaging.domain.templates.own import engine, language
from messaging.domain.templates.own.definition import Definition, Parameter, ParameterType, Parts
from messaging.domain.templates.own.html_places import value_problems
from messaging.domain.templates.own.values import value_violations

MAX_PART: Final = 32 * 1024
MAX_DEFINITION: Final = 128 * 1024
MAX_VARIANTS: Final = 40
MAX_PARAMETERS: Final = 50
MAX_FIELDS: Final = 20
_TEMPLATE_NAME: Final = re.compile(r"[a-z0-9_]{1,100}")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}(?:_[A-Z][a-z]{3})?(?:_(?:[A-Z]{2}|[0-9]{3}))?")
# Fields of list items are looked up among a dictionary's own methods first.
_TAKEN_FIELDS: Final = language.RESERVED | set(dir(dict))
_PARTS: Final = {
    Channel.SMS: (frozenset({"body"}), frozenset({"body"}), "body"),
    Channel.EMAIL: (frozenset({"subject"}), frozenset({"subject", "text", "html"}), "subject, and text, html or both"),
}
# A text with another problem may name more than was read of it.
_READ_ALL_THE_SAME: Final = frozenset({"parameter_undeclared", "template_parts"})
_SAMPLES: Final[Mapping[ParameterType, Value]] = {
    ParameterType.TEXT: "Ana",
    ParameterType.NUMBER: 12.5,
    ParameterType.BOOLEAN: True,
    ParameterType.DATE: "2026-11-29",
    ParameterType.DATETIME: "2026-11-29T09:30:00+00:00",
    ParameterType.URL: "https://example.com/",
}


def name_violations(name: str) -> list[Violation]:
    if _TEMPLATE_NAME.fullmatch(name):
        return []
    detail = "A template's name has 1 to 100 lower-case letters, digits and underscores. Rename it."
    return [Violation(pointer="/name", code="template_name_invalid", detail=detail)]


def is_language(code: str) -> bool:
    return _LANGUAGE.fullmatch(code) is not None


def size_of(definition: Definition) -> int:
    """How many bytes the definition takes where it is stored and kept in memory."""
    return len(msgspec.json.encode(definition))


def definition_violations(channel: Channel, definition: Definition) -> tuple[Violation, ...]:
    """Everything that keeps a version from being stored."""
    found = [*_size_violations(definition), *_language_violations(definition)]
    found += _parameters_violations(definition.parameters)
    if found:
        # What the texts name is compared with parameters that are in order.
        return tuple(found)
    named: set[str] = set()
    for code, parts in definition.variants.items():
        pointer = f"/variants/{code}"
        found += _parts_violations(pointer, channel, parts)
        for part, source in parts.given().items():
            found += _text_violations(f"{pointer}/{part}", part, source, definition.parameters, named)
    if all(violation.code in _READ_ALL_THE_SAME for violation in found):
        found += _unused(definition.parameters, named)
    return tuple(found)


# --- sizes and languages --------------------------------------------------------------------------------------------


def _size_violations(definition: Definition) -> Iterator[Violation]:
    if len(definition.variants) > MAX_VARIANTS:
        detail = f"It has {len(definition.variants)} languages; at most {MAX_VARIANTS} are possible. Use two templates."
        yield Violation(pointer="/variants", code="template_too_large", detail=detail)
    elif (size := size_of(definition)) > MAX_DEFINITION:
        detail = f"All texts together take {size} bytes; at most {MAX_DEFINITION} are kept. Shorten or divide them."
        yield Violation(pointer="", code="template_too_large", detail=detail)
    if len(definition.parameters) > MAX_PARAMETERS:
        detail = f"It has {len(definition.parameters)} parameters; at most {MAX_PARAMETERS} are possible. Use a list."
        yield Violation(pointer="/parameters", code="template_too_large", detail=detail)


def _language_violations(definition: Definition) -> Iterator[Violation]:
    for index, code in enumerate(definition.variants):
        if not is_language(code):
            detail = f"Language {index + 1} has no code like en, en_US, pt_BR or zh_Hant_TW. Correct it."
            yield Violation(pointer="/variants", code="language_unknown", detail=detail)
    if definition.default_language not in definition.variants:
        detail = "The default language has no texts. Add them to variants, or choose one of the languages there."
        yield Violation(pointer="/default_language", code="language_unknown", detail=detail)


# --- parameters -----------------------------------------------------------------------------------------------------


def _parameters_violations(parameters: Sequence[Parameter]) -> list[Violation]:
    found: list[Violation] = []
    seen: set[str] = set()
    for index, parameter in enumerate(parameters[: MAX_PARAMETERS + 1]):
        pointer = f"/parameters/{index}"
        for at, problem in _parameter_problems(parameter, seen):
            found.append(Violation(pointer=pointer + at, code="parameter_invalid", detail=problem))
        seen.add(parameter.name)
        if parameter.default is not None:
            found += value_violations(f"{pointer}/default", parameter, parameter.default)
    return found


def _parameter_problems(parameter: Parameter, seen: set[str]) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(parameter.name) or parameter.name in language.RESERVED:
        yield "/name", "A parameter's name has 1 to 40 lower-case letters, digits and underscores. Rename it."
    if parameter.name in seen:
        yield "/name", "Two parameters have this name. Rename one."
    if parameter.fields and parameter.type is not ParameterType.LIST:
        yield "/fields", "Only the items of a list have fields. Leave fields out, or make it a list."
    if len(parameter.fields) > MAX_FIELDS or len(set(parameter.fields)) < len(parameter.fields):
        yield "/fields", f"A list's items have at most {MAX_FIELDS} fields, each once. Remove some."
    for index, name in enumerate(parameter.fields[:MAX_FIELDS]):
        if not _NAME.fullmatch(name) or name in _TAKEN_FIELDS:
            yield (
                f"/fields/{index}",
                "A field's name has 1 to 40 lower-case letters, digits and underscores, and is none of "
                f"{', '.join(sorted(name for name in _TAKEN_FIELDS if _NAME.fullmatch(name)))}. Rename it.",
            )


def _unused(parameters: Sequence[Parameter], named: set[str]) -> Iterator[Violation]:
    for index, parameter in enumerate(parameters):
        if parameter.name not in named:
            detail = "No text names this parameter. Remove it, or write {{ " + parameter.name + " }} where it belongs."
            yield Violation(pointer=f"/parameters/{index}", code="parameter_unused", detail=detail)


# --- texts ----------------------------------------------------------------------------------------------------------


def _parts_violations(pointer: str, channel: Channel, parts: Parts) -> Iterator[Violation]:
    needed, possible, words = _PARTS[channel]
    given = parts.given().keys()
    for part in sorted(given - possible):
        detail = f"On {channel} a template has {words}. Remove this part."
        yield Violation(pointer=f"{pointer}/{part}", code="template_parts", detail=detail)
    for part in sorted(needed - given):
        detail = f"On {channel} a template has {words}. Add {part}."
        yield Violation(pointer=f"{pointer}/{part}", code="template_parts", detail=detail)
    if channel is Channel.EMAIL and not given & {"text", "html"}:
        detail = f"On {channel} a template has {words}. Add text or html."
        yield Violation(pointer=pointer, code="template_parts", detail=detail)


def _text_violations(
    pointer: str, part: str, source: str, parameters: Sequence[Parameter], named: set[str]
) -> list[Violation]:
    """Problems of one text; the names of its variables are added to `named`."""
    if (size := len(source.encode(errors="replace"))) > MAX_PART:
        detail = f"It takes {size} bytes; at most {MAX_PART} are possible. Shorten it."
        return [Violation(pointer=pointer, code="template_too_large", detail=detail)]
    if not is_clean(source):
        detail = "It holds a control character (such as NUL) or half of a surrogate pair. Remove it."
        return [Violation(pointer=pointer, code="control_character", detail=detail)]
    if is_blank(source):
        return [Violation(pointer=pointer, code="value_empty", detail="It is empty. Write something, or leave it out.")]
    reading = language.read(source)
    named.update(reading.variables)
    found = [
        Violation(pointer=pointer, code="template_syntax", detail=_at(problem.line, problem.column, problem.detail))
        for problem in language.in_order(reading.problems)
    ]
    found += _undeclared(pointer, reading, parameters)
    if part == "html":
        found += _value_places(pointer, source, parameters)
    if part == "subject" and "\n" in source.strip():
        detail = "A subject is one line. Remove the line breaks."
        found.append(Violation(pointer=pointer, code="template_parts", detail=detail))
    return found or list(_sample_violations(pointer, part, source, parameters))


def _value_places(pointer: str, html: str, parameters: Sequence[Parameter]) -> Iterator[Violation]:
    links = {parameter.name for parameter in parameters if parameter.type is ParameterType.URL}
    for problem in value_problems(html, links):
        yield Violation(pointer=pointer, code="html_unsafe", detail=_at(problem.line, problem.column, problem.detail))


def _undeclared(pointer: str, reading: language.Reading, parameters: Sequence[Parameter]) -> Iterator[Violation]:
    names = {parameter.name for parameter in parameters}
    for used in reading.variables.values():
        if used.name not in names:
            detail = f"There is no parameter {used.name!r}. Add it to parameters, or correct the name."
            yield Violation(pointer=pointer, code="parameter_undeclared", detail=_at(used.line, used.column, detail))
    fields = {name for parameter in parameters for name in parameter.fields}
    for used in reading.fields.values():
        if used.name not in fields:
            detail = f"No list's items have a field {used.name!r}. Add it to the list's fields, or correct the name."
            yield Violation(pointer=pointer, code="parameter_undeclared", detail=_at(used.line, used.column, detail))


def _sample_violations(pointer: str, part: str, source: str, parameters: Sequence[Parameter]) -> Iterator[Violation]:
    """What goes wrong when the text is rendered with values of the right types."""
    values = {parameter.name: _sample(parameter) for parameter in parameters}
    rendered = engine.render(source, values, html=part == "html")
    if isinstance(rendered, engine.Fault):
        line, column = language.place(source, rendered.at or 0)
        detail = f"With sample values it cannot be rendered: {rendered.detail}. Use each parameter as its type allows."
        yield Violation(pointer=pointer, code="template_syntax", detail=_at(line, column, detail))
    elif part == "html" and (flaws := html_flaws(rendered)):
        detail = f"It holds what mail programs never run and filters take for an attack: {', '.join(flaws)}. Remove it."
        yield Violation(pointer=pointer, code="html_unsafe", detail=detail)


def _sample(parameter: Parameter) -> Value:
    if parameter.type is not ParameterType.LIST:
        return _SAMPLES[parameter.type]
    return [dict.fromkeys(parameter.fields, 1)] if parameter.fields else [1]


def _at(line: int, column: int, detail: str) -> str:
    return f"Line {line}, column {column}: {detail}"
