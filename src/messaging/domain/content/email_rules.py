"""Rules for an e-mail's content. What goes into a header is one line without control characters: nothing that a caller
passes on from its own customers can begin a header of its own, or a second mail.

Further headers are those of an allow-list, and `X-…` without those that relays obey. A deny-list would have to know
every header that some relay, some day, reads as an order: `X-SMTPAPI` alone can add recipients to a mail.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from messaging.domain.content.email import Attachment, Email
from messaging.domain.content.html import html_flaws
from messaging.domain.content.media import filename_violations
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.text import is_clean_line, step, text_violations

# The longest line of RFC 5322.
MAX_SUBJECT: Final = 998
MAX_TEXT: Final = 200_000
MAX_HTML: Final = 200_000
MAX_HEADERS: Final = 20
MAX_HEADER: Final = 900
MAX_ATTACHMENTS: Final = 10
# All files of a mail together, in bytes. In base64 and with the rest of the mail they fit into a request of 1 MiB.
MAX_ATTACHED: Final = 512 * 1024

_STANDARD: Final = """
    auto-submitted comments feedback-id importance in-reply-to keywords list-archive list-help list-id list-owner
    list-post list-subscribe list-unsubscribe list-unsubscribe-post organization precedence priority references
"""
_ALLOWED: Final = frozenset(_STANDARD.split())
# Headers by which relays take orders: recipients, tracking, routing, templates.
_ORDERS: Final = (
    *("x-smtpapi", "x-sg-", "x-ses-", "x-mailgun-", "x-mandrill", "x-mc-", "x-mj-", "x-msys-", "x-pm-", "x-sib-"),
    *("x-elasticemail-", "x-ms-", "x-microsoft-", "x-forefront-", "x-google-", "x-original-", "x-envelope-"),
)
_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,76}")
_VALUE: Final = re.compile(rf"[ -~]{{1,{MAX_HEADER}}}")
_CONTENT_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}", re.IGNORECASE)
# Types whose bytes are mails or parts of mails; MIME does not allow them in base64.
_COMPOSITE: Final = ("multipart/", "message/")


def email_violations(email: Email) -> Sequence[Violation]:
    """All violations of the mail but those of its addresses; pointers are relative to the content."""
    found = line_violations("/subject", email.subject, limit=MAX_SUBJECT)
    if email.text is None and email.html is None:
        detail = "The mail says nothing. Give text, html, or both."
        found.append(Violation(pointer="/text", code="value_empty", detail=detail))
    if email.text is not None:
        found += text_violations("/text", email.text, limit=MAX_TEXT)
    if email.html is not None:
        found += _html_violations(email.html)
    return [*found, *_header_violations(email.headers), *_attachment_violations(email.attachments)]


def line_violations(pointer: str, text: str, *, limit: int) -> list[Violation]:
    """Violations of a text that becomes part of a header."""
    if not is_clean_line(text):
        detail = "It holds a line break or control character, which could begin another header. Write it on one line."
        return [Violation(pointer=pointer, code="header_injection", detail=detail)]
    return text_violations(pointer, text, limit=limit)


def _html_violations(html: str) -> Iterable[Violation]:
    if found := text_violations("/html", html, limit=MAX_HTML):
        return found
    if not (flaws := html_flaws(html)):
        return ()
    detail = (
        f"It holds what mail programs never run and filters take for an attack: {', '.join(flaws)}. Take it out, and "
        "escape what comes from others."
    )
    return (Violation(pointer="/html", code="html_unsafe", detail=detail),)


def _header_violations(headers: dict[str, str]) -> Iterable[Violation]:
    if len(headers) > MAX_HEADERS:
        yield _header("/headers", f"There are {len(headers)} headers; at most {MAX_HEADERS} are sent. Remove some.")
        return
    seen: set[str] = set()
    for name, value in headers.items():
        pointer, lower = f"/headers{step(name)}", name.lower()
        if not is_clean_line(name) or not is_clean_line(value):
            yield from line_violations(pointer, f"{name}{value}", limit=MAX_HEADER)
        elif not _NAME.fullmatch(name) or not _may_be_set(lower):
            yield _header(pointer, _NOT_ALLOWED)
        elif not _VALUE.fullmatch(value):
            yield _header(pointer, f"A value is 1 to {MAX_HEADER} characters of printable ASCII. Encode or shorten it.")
        elif lower in seen:
            yield _header(pointer, "It is given twice, in different case. Keep one of the two.")
        seen.add(lower)


_NOT_ALLOWED: Final = (
    "This header cannot be set. Allowed are List-…, In-Reply-To, References, Auto-Submitted, Precedence, Importance, "
    "Priority, Feedback-ID, Organization, Keywords, Comments, and X-… but those by which relays take orders."
)


def _may_be_set(lower: str) -> bool:
    return lower in _ALLOWED or (lower.startswith("x-") and not lower.startswith(_ORDERS))


def _header(pointer: str, detail: str) -> Violation:
    return Violation(pointer=pointer, code="mail_header_invalid", detail=detail)


def _attachment_violations(attachments: Sequence[Attachment]) -> Iterable[Violation]:
    if len(attachments) > MAX_ATTACHMENTS:
        yield _attachment("/attachments", f"{len(attachments)} files are attached; at most {MAX_ATTACHMENTS} are sent.")
    total = sum(len(attachment.content) for attachment in attachments)
    if total > MAX_ATTACHED:
        detail = (
            f"The attached files have {total:_} bytes together; at most {MAX_ATTACHED:_} are sent. Put larger files "
            "behind a link."
        )
        yield _attachment("/attachments", detail)
    for index, attachment in enumerate(attachments[:MAX_ATTACHMENTS]):
        yield from _file_violations(f"/attachments/{index}", attachment)


def _file_violations(pointer: str, attachment: Attachment) -> Iterable[Violation]:
    yield from filename_violations(f"{pointer}/filename", attachment.filename)
    kind = attachment.content_type
    if not _CONTENT_TYPE.fullmatch(kind) or kind.lower().startswith(_COMPOSITE):
        detail = "Not the type of a file that can be attached. Write it like application/pdf, without parameters."
        yield _attachment(f"{pointer}/content_type", detail)
    if not attachment.content:
        yield Violation(pointer=f"{pointer}/content", code="value_empty", detail="The file is empty. Leave it out.")


def _attachment(pointer: str, detail: str) -> Violation:
    return Violation(pointer=pointer, code="attachment_invalid", detail=detail)
