"""Renders a version of a template for one message: the one code by which it is checked, previewed and sent."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from messaging.domain.content.content import Content, Text
from messaging.domain.content.parameters import Value
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_blank, is_clean_line, too_long, utf16_units
from messaging.domain.templates.own import engine
from messaging.domain.templates.own.definition import Definition
from messaging.domain.templates.own.values import bind

# The longest of each part, in UTF-16 units.
LONGEST: Final = {"body": 1_600, "subject": 200, "text": 256 * 1024, "html": 256 * 1024}


class Rendered(Struct, frozen=True, kw_only=True):
    """The parts as they will be read, by name, in the language that was found."""

    language: str
    parts: Mapping[str, str]

    def content(self) -> Content:
        """What is handed to the provider."""
        return Text(body=self.parts["body"])


def find_language(definition: Definition, wanted: str) -> str:
    """The language that is sent: the wanted one, else the same with less said (`pt_BR`, `pt`), else the default."""
    code = wanted.replace("-", "_")
    while code:
        if code in definition.variants:
            return code
        code = code.rpartition("_")[0]
    return definition.default_language


def render(definition: Definition, language: str, variables: Mapping[str, Value]) -> Rendered | tuple[Violation, ...]:
    """The rendered parts, or everything that is wrong with the values; pointers are relative to the content."""
    values, violations = bind(definition.parameters, variables)
    if violations:
        return violations
    found = find_language(definition, language)
    parts: dict[str, str] = {}
    problems: list[Violation] = []
    for name, source in definition.variants[found].given().items():
        rendered = engine.render(source, values, html=name == "html")
        if isinstance(rendered, engine.Fault):
            problems.append(_unrenderable(name, rendered))
        else:
            parts[name] = rendered
            problems += _part_violations(name, rendered)
    return tuple(problems) or Rendered(language=found, parts=parts)


def _unrenderable(part: str, fault: engine.Fault) -> Violation:
    mend = "Send shorter lists and texts." if fault.exhausted else "Send other values, or mend the template."
    detail = f"With these values the template's {part} cannot be rendered: {fault.detail}. {mend}"
    return Violation(pointer="/variables", code="rendering_failed", detail=detail)


def _part_violations(part: str, text: str) -> Iterator[Violation]:
    """The channel's limits, which the values may break."""
    if is_blank(text):
        detail = f"With these values the template's {part} is empty. Send values that can be seen."
        yield Violation(pointer="/variables", code="value_empty", detail=detail)
    if (units := utf16_units(text)) > LONGEST[part]:
        yield too_long("/variables", units=units, limit=LONGEST[part])
    if part == "subject" and not is_clean_line(text):
        detail = "A value puts a line break or a control character into the subject, which is one line. Remove it."
        yield Violation(pointer="/variables", code="subject_invalid", detail=detail)
