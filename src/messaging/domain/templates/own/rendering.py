"""Renders a version of a template for one message: the one code by which it is checked, previewed and sent."""

from collections.abc import Iterator, Mapping

from msgspec import Struct

from messaging.domain.channels.address import Channel
from messaging.domain.channels.table import CHANNELS
from messaging.domain.content.content import Content, Text
from messaging.domain.content.email import Email
from messaging.domain.content.email_rules import MAX_HTML, MAX_SUBJECT, MAX_TEXT, line_violations
from messaging.domain.content.parameters import Value
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_blank, too_long, utf16_units, value_empty
from messaging.domain.templates.own import engine
from messaging.domain.templates.own.definition import Definition
from messaging.domain.templates.own.values import bind


class Rendered(Struct, frozen=True, kw_only=True):
    """The parts as they will be read, by name, in the language that was found."""

    language: str
    parts: Mapping[str, str]

    def text(self) -> str:
        """All parts for people to read, in the order in which the template has them."""
        return "\n\n".join(self.parts.values())

    def content(self) -> Content:
        """What is handed to the provider."""
        if "subject" in self.parts:
            return Email(subject=self.parts["subject"], text=self.parts.get("text"), html=self.parts.get("html"))
        return Text(body=self.parts["body"])


def find_language(definition: Definition, wanted: str) -> str:
    """The language that is sent: the wanted one, else the same with less said (`pt_BR`, `pt`), else the default."""
    code = wanted.replace("-", "_")
    while code:
        if code in definition.variants:
            return code
        code = code.rpartition("_")[0]
    return definition.default_language


def render(
    channel: Channel, definition: Definition, language: str, variables: Mapping[str, Value]
) -> Rendered | tuple[Violation, ...]:
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
    whole = Rendered(language=found, parts=parts)
    return tuple(problems) or tuple(_broken_limits(channel, whole)) or whole


def _unrenderable(part: str, fault: engine.Fault) -> Violation:
    mend = "Send shorter lists and texts." if fault.exhausted else "Send other values, or mend the template."
    detail = f"With these values the template's {part} cannot be rendered: {fault.detail}. {mend}"
    return Violation(pointer="/variables", code="rendering_failed", detail=detail)


def _broken_limits(channel: Channel, rendered: Rendered) -> Iterator[Violation]:
    """The channel's rules for content that the values break."""
    content = rendered.content()
    broken = _mail_violations(content) if isinstance(content, Email) else CHANNELS[channel].content_violations(content)
    for violation in broken:
        part = violation.pointer.removeprefix("/")
        detail = f"With these values the template's {part} is refused. {violation.detail}"
        yield Violation(pointer="/variables", code=violation.code, detail=detail)


def _mail_violations(mail: Email) -> list[Violation]:
    """The rules for mails but those that hold already, whose checks take longer than the rendering: the template's HTML
    was searched when it was stored, where values stand only escaped (see `html_places`), and neither the template nor
    the values have control characters.
    """
    found = line_violations("/subject", mail.subject, limit=MAX_SUBJECT)
    for pointer, text, limit in (("/text", mail.text, MAX_TEXT), ("/html", mail.html, MAX_HTML)):
        if text is not None and is_blank(text):
            found.append(value_empty(pointer, "It is empty. Send values that can be seen."))
        elif text is not None and (units := utf16_units(text)) > limit:
            found.append(too_long(pointer, units=units, limit=limit))
    return found
