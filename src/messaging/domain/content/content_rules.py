"""Rules for a message's content, reference and metadata that need no configuration.

The limits of content are those of the channel: its row in `messaging.domain.channels` gives them. Template messages
have further rules that need the template: see `messaging.domain.templates.validation`.
"""

from collections.abc import Callable, Sequence

from messaging.domain.content.content import Document, Image, TemplateMessage, Text
from messaging.domain.content.media import filename_violations, media_violations
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_blank, is_clean, is_clean_line, is_plain, step, text_violations, utf16_units

MAX_REFERENCE = 128
MAX_METADATA_KEYS = 20
MAX_METADATA_KEY = 40
MAX_METADATA_VALUE = 500


def texts(limit: int) -> Callable[[Text], Sequence[Violation]]:
    """The rule for texts of at most `limit` UTF-16 units. Pointers of rules are relative to the content."""
    return lambda text: text_violations("/body", text.body, limit=limit)


def images(*, caption: int, uploads: bool) -> Callable[[Image], Sequence[Violation]]:
    """The rule for pictures; `caption` is in UTF-16 units, `uploads` says whether the provider keeps uploaded files."""
    return lambda image: [
        *media_violations("", image, https_only=False, uploads=uploads),
        *_caption_violations(image.caption, caption),
    ]


def documents(*, caption: int, uploads: bool) -> Callable[[Document], Sequence[Violation]]:
    """The rule for files; `caption` and `uploads` as for pictures."""
    return lambda document: [
        *media_violations("", document, https_only=False, uploads=uploads),
        *_caption_violations(document.caption, caption),
        *filename_violations("/filename", document.filename),
    ]


def templates(_: TemplateMessage) -> Sequence[Violation]:
    """The rule for template messages, about which nothing is said without the template."""
    return ()


def _caption_violations(caption: str | None, limit: int) -> list[Violation]:
    return [] if caption is None else text_violations("/caption", caption, limit=limit)


def envelope_violations(reference: str | None, metadata: dict[str, str]) -> tuple[Violation, ...]:
    """All violations of the caller's reference and metadata; pointers are relative to the message."""
    found: list[Violation] = []
    if reference is not None and not _is_reference(reference):
        detail = f"A reference has 1 to {MAX_REFERENCE} printable characters on one line. Shorten or clean it."
        found.append(Violation(pointer="/reference", code="reference_invalid", detail=detail))
    if len(metadata) > MAX_METADATA_KEYS:
        detail = f"Metadata has {len(metadata)} keys; at most {MAX_METADATA_KEYS} are kept. Remove some."
        found.append(Violation(pointer="/metadata", code="metadata_invalid", detail=detail))
        return tuple(found)
    for key, value in metadata.items():
        if (problem := _metadata_problem(key, value)) is not None:
            found.append(Violation(pointer=f"/metadata{step(key)}", code="metadata_invalid", detail=problem))
    return tuple(found)


def _is_reference(text: str) -> bool:
    if is_plain(text):
        return len(text) <= MAX_REFERENCE
    return not is_blank(text) and is_clean_line(text) and utf16_units(text) <= MAX_REFERENCE


def _metadata_problem(key: str, value: str) -> str | None:
    if is_blank(key) or not is_clean_line(key) or utf16_units(key) > MAX_METADATA_KEY:
        return f"A metadata key has 1 to {MAX_METADATA_KEY} printable characters. Rename it."
    if not is_clean(value) or utf16_units(value) > MAX_METADATA_VALUE:
        return f"A metadata value has at most {MAX_METADATA_VALUE} characters and no control characters. Shorten it."
    return None
