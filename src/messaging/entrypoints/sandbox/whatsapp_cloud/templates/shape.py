"""The parameters that a template takes and where they go, read once from its definition for all its sends."""

import re

import msgspec

from messaging.entrypoints.sandbox.core.wire import Json

PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
MEDIA_FORMATS = ("IMAGE", "VIDEO", "DOCUMENT")
AUTHENTICATION_BODY = "*{{1}}* is your verification code."
"""Meta writes the body of authentication templates itself."""


class Button(msgspec.Struct, frozen=True, kw_only=True):
    """One button as a sender meets it."""

    kind: str
    url: str | None = None
    """The URL of a button whose URL has a variable; None when a send passes nothing for it."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """A template from the sender's side."""

    named: bool
    header: str | None
    """TEXT, IMAGE, VIDEO, DOCUMENT, LOCATION, or None without a header."""
    header_text: str
    header_names: tuple[str, ...]
    body_text: str
    body_names: tuple[str, ...]
    buttons: tuple[Button, ...]


def placeholders(text: str) -> tuple[str, ...]:
    """Placeholder names in order of first appearance."""
    return tuple(dict.fromkeys(PLACEHOLDER.findall(text)))


def hydrate(text: str, values: dict[str, str]) -> str:
    """The text with every placeholder replaced by its value."""
    parts = PLACEHOLDER.split(text)
    parts[1::2] = [values[name] for name in parts[1::2]]
    return "".join(parts)


def text_units(text: str) -> int:
    """Length in UTF-16 units; Meta does not say what it counts, and this is the stricter reading."""
    return len(text) if text.isascii() else len(text) + sum(1 for c in text if c > "\uffff")


def component(components: list[Json], kind: str) -> Json | None:
    """The first component of a type, whatever its letter case."""
    return next((c for c in components if str(c.get("type")).upper() == kind), None)


def text_of(part: Json | None, key: str = "text") -> str:
    """A string member, or the empty string."""
    value = part.get(key) if part else None
    return value if isinstance(value, str) else ""


def buttons_of(components: list[Json]) -> list[Json]:
    """The buttons of a definition, in order."""
    part = component(components, "BUTTONS")
    listed = part.get("buttons") if part else None
    return [button for button in listed if isinstance(button, dict)] if isinstance(listed, list) else []


def read_shape(category: str, parameter_format: str, components: list[Json]) -> Shape:
    """What sends of this definition must look like; the definition has passed the creation rules."""
    header = component(components, "HEADER")
    body_text = AUTHENTICATION_BODY if category == "AUTHENTICATION" else text_of(component(components, "BODY"))
    return Shape(
        named=parameter_format == "NAMED" and category != "AUTHENTICATION",
        header=text_of(header, "format").upper() if header else None,
        header_text=text_of(header),
        header_names=placeholders(text_of(header)),
        body_text=body_text,
        body_names=placeholders(body_text),
        buttons=tuple(_read_button(button) for button in buttons_of(components)),
    )


def _read_button(button: Json) -> Button:
    kind = text_of(button, "type").upper()
    url = text_of(button, "url")
    return Button(kind=kind, url=url if PLACEHOLDER.search(url) else None)
