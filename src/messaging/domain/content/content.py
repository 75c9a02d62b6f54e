"""Content of a message: a tagged union that is decoded once from the request and stored in that form."""

from collections.abc import Mapping

from msgspec import Struct, field

from messaging.domain.content.email import Email
from messaging.domain.content.parameters import ButtonValue, HeaderValue, MediaRef, TemplateParameters, Value


class Text(Struct, frozen=True, kw_only=True, tag="text", forbid_unknown_fields=True):
    body: str
    preview_url: bool = False


class TemplateMessage(Struct, frozen=True, kw_only=True, tag="template", forbid_unknown_fields=True):
    """A template by name and language, with the values of its blanks."""

    name: str
    language: str
    variables: Mapping[str, Value] = field(default_factory=dict)
    header: HeaderValue | None = None
    buttons: tuple[ButtonValue, ...] = ()

    def parameters(self) -> TemplateParameters:
        return TemplateParameters(variables=self.variables, header=self.header, buttons=self.buttons)


class Image(MediaRef, frozen=True, kw_only=True, tag="image", forbid_unknown_fields=True):
    caption: str | None = None


class Document(MediaRef, frozen=True, kw_only=True, tag="document", forbid_unknown_fields=True):
    caption: str | None = None
    filename: str | None = None


Content = Text | TemplateMessage | Image | Document | Email


def is_free_form(content: Content) -> bool:
    """Whether the content is no template: where a channel has a window, such content may be sent only within it."""
    return not isinstance(content, TemplateMessage)


def summary(content: Content) -> str:
    """What logs may show of the content: its kind, and a template's name and language; never a value."""
    match content:
        case TemplateMessage():
            return f"template {content.name} ({content.language})"
        case Text():
            return "text"
        case Image():
            return "image"
        case Document():
            return "document"
        case Email():
            return "email"
