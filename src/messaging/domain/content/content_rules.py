"""Rules for a message's content, reference and metadata that need no configuration; the limits are the Cloud API's.

Template messages have further rules that need the template: see `messaging.domain.templates.validation`.
"""

from typing import assert_never

from messaging.domain.content.content import Content, Document, Image, TemplateMessage, Text
from messaging.domain.content.media import filename_violations, media_violations
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_blank, is_clean, is_clean_line, is_plain, step, text_violations, utf16_units

MAX_TEXT = 4096
MAX_CAPTION = 1024
MAX_REFERENCE = 128
MAX_METADATA_KEYS = 20
MAX_METADATA_KEY = 40
MAX_METADATA_VALUE = 500


def content_violations(content: Content) -> tuple[Violation, ...]:
    """All violations of the content itself; pointers are relative to it."""
    match content:
        case Text(body=body):
            return tuple(text_violations("/body", body, limit=MAX_TEXT))
        case Image():
            return (*media_violations("", content, https_only=False), *_caption_violations(content.caption))
        case Document():
            return (
                *media_violations("", content, https_only=False),
                *_caption_violations(content.caption),
                *filename_violations("/filename", content.filename),
            )
        case TemplateMessage():
            return ()
        case _:
            assert_never(content)


def _caption_violations(caption: str | None) -> list[Violation]:
    return [] if caption is None else text_violations("/caption", caption, limit=MAX_CAPTION)


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
