"""Renders a tenant's own template for a submission: what would be sent, or everything that speaks against it."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from msgspec import Struct

from messaging.domain.channels.address import Channel
from messaging.domain.content.content import TemplateMessage
from messaging.domain.content.parameters import Pin
from messaging.domain.shared.errors import Violation
from messaging.domain.templates.own.definition import Published
from messaging.domain.templates.own.rendering import Rendered, render
from messaging.domain.templates.own.rules import is_language

# For a misspelt name: the longest that is compared, and the most that it is compared with.
_LONGEST_NAME: Final = 100
_MOST_COMPARED: Final = 50

Own = Mapping[tuple[Channel, str], Published]


class OwnUse(Struct, frozen=True, kw_only=True):
    """The template that a submission names. `rendered` is None where something speaks against it."""

    published: Published
    rendered: Rendered | None

    @property
    def pin(self) -> Pin:
        assert self.rendered is not None
        template = self.published.template
        return Pin(template_id=template.id, version=self.published.version, language=self.rendered.language)


def use_own(content: TemplateMessage, channel: Channel, own: Own, found: list[Violation]) -> OwnUse | None:
    """None where the channel has no published template of this name; violations are added to `found`, with pointers
    relative to the content.
    """
    published = own.get((channel, content.name))
    if published is None:
        found.append(_unknown(content.name, channel, own))
        return None
    violations = list(_surplus_parts(content))
    if not is_language(content.language.replace("-", "_")):
        detail = "Not a language code. Use one like en, en_US, pt_BR or zh_Hant_TW."
        violations.append(Violation(pointer="/language", code="language_unknown", detail=detail))
    rendered = render(channel, published.definition, content.language, content.variables)
    if isinstance(rendered, Rendered) and not violations:
        return OwnUse(published=published, rendered=rendered)
    found += violations
    found += () if isinstance(rendered, Rendered) else rendered
    return OwnUse(published=published, rendered=None)


def _unknown(name: str, channel: Channel, own: Own) -> Violation:
    near = []
    if len(name) <= _LONGEST_NAME:
        alike = sorted(known for of, known in own if of is channel and known[:1] == name[:1])
        near = get_close_matches(name, alike[:_MOST_COMPARED], n=1, cutoff=0.8)
    advice = f"Did you mean {near[0]}?" if near else "GET /v1/own-templates lists them; publish it if it is a draft."
    detail = f"No template of this name is published for {channel}. {advice}"
    return Violation(pointer="/name", code="template_unknown", detail=detail)


def _surplus_parts(content: TemplateMessage) -> Iterator[Violation]:
    """What only templates have that a provider reviews."""
    if content.header is not None:
        detail = "A template of your own has no header. Leave header out."
        yield Violation(pointer="/header", code="header_unexpected", detail=detail)
    if content.buttons:
        detail = "A template of your own has no buttons. Leave buttons out."
        yield Violation(pointer="/buttons", code="button_unexpected", detail=detail)
