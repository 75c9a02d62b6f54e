"""Values that a submission gives for a template's placeholders, header and buttons."""

from collections.abc import Mapping

from msgspec import Struct, field

from messaging.domain.shared.ids import OwnTemplateId

# What a template's variable can hold. A template that a provider reviews takes texts only.
Scalar = str | int | float | bool
Value = Scalar | list[Scalar | dict[str, Scalar]]


class Pin(Struct, frozen=True, kw_only=True):
    """The version and language of a tenant's own template that a message was accepted with; it is sent with these,
    whatever is published later.
    """

    template_id: OwnTemplateId
    version: int
    language: str


class MediaRef(Struct, frozen=True, kw_only=True):
    """Exactly one of `link` (public https) and `media_id` (uploaded to the provider before)."""

    link: str | None = None
    media_id: str | None = None


class HeaderText(Struct, frozen=True, kw_only=True, tag="text", forbid_unknown_fields=True):
    """The value of the header's one variable."""

    text: str


class HeaderImage(MediaRef, frozen=True, kw_only=True, tag="image", forbid_unknown_fields=True):
    pass


class HeaderVideo(MediaRef, frozen=True, kw_only=True, tag="video", forbid_unknown_fields=True):
    pass


class HeaderDocument(MediaRef, frozen=True, kw_only=True, tag="document", forbid_unknown_fields=True):
    filename: str | None = None


HeaderValue = HeaderText | HeaderImage | HeaderVideo | HeaderDocument


class UrlButton(Struct, frozen=True, kw_only=True, tag="url", forbid_unknown_fields=True):
    """The suffix of a URL button; `index` counts the template's buttons from 0."""

    index: int
    text: str


class QuickReplyButton(Struct, frozen=True, kw_only=True, tag="quick_reply", forbid_unknown_fields=True):
    """What comes back when the button is tapped; without one the provider returns the button's label."""

    index: int
    payload: str


ButtonValue = UrlButton | QuickReplyButton


class TemplateParameters(Struct, frozen=True, kw_only=True):
    """`variables` are the body's: positional (`"1"`, `"2"`, …) or named, as the template declares."""

    variables: Mapping[str, Value] = field(default_factory=dict)
    header: HeaderValue | None = None
    buttons: tuple[ButtonValue, ...] = ()
