"""Content of an e-mail: subject, text and HTML, further headers, and files that travel with it."""

from msgspec import Struct, field


class Attachment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file that travels with the mail. In JSON its bytes are written in base64."""

    filename: str
    content_type: str
    content: bytes


class Email(Struct, frozen=True, kw_only=True, tag="email", forbid_unknown_fields=True):
    """At least one of `text` and `html` says something. `reply_to` may carry a name: `Orders <orders@example.com>`."""

    subject: str
    text: str | None = None
    html: str | None = None
    reply_to: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
