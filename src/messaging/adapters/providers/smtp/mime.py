"""Renders an e-mail as the bytes that are sent (RFC 5322 and MIME), with our reference as its Message-ID.

Everything is written in 7 bits, so that no server on the way needs to re-encode it. A mail of text, HTML or both is put
together here; one with attachments by the standard library, which takes longer and knows how files are named.
"""

import binascii
import re
import secrets
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final

from messaging.adapters.providers.smtp.header_lines import (
    CONTROL,
    INTERNATIONAL,
    PLAIN,
    HeaderRefused,
    addresses_line,
    from_line,
    further_line,
    text_line,
)
from messaging.adapters.providers.smtp.wire.addresses import domain_of
from messaging.domain.content.email import Email

_LINE_ENDS: Final = re.compile(r"\r\n|\n|\r")
# Lines as RFC 5322 asks for. A longer one, and one that some servers change ("From "), is encoded.
_PLAIN_LINES: Final = re.compile(r"(?:(?!From )[\t -~]{0,78}\r\n)*")


def message_id(reference: str, sender_address: str) -> str:
    """Our Message-ID: the reference, under the sender's domain."""
    return f"<{reference}@{domain_of(sender_address)}>"


def render(
    email: Email,
    *,
    sender: str,
    sender_name: str,
    recipient: str,
    reference: str,
    at: datetime,
    international: bool = False,
) -> bytes:
    """The message as bytes with CR LF. Raises HeaderRefused."""
    lines = [
        from_line(sender_name, sender, international=international),
        addresses_line("To", recipient, international=international),
        text_line("Subject", email.subject, international=international),
        f"Date: {format_datetime(at)}\r\n",
        # Not folded: servers and people look for it in one piece.
        f"Message-ID: {message_id(reference, sender)}\r\n",
    ]
    if email.reply_to:
        lines.append(addresses_line("Reply-To", email.reply_to, international=international))
    lines += [further_line(name, value, international=international) for name, value in email.headers.items()]
    lines.append("MIME-Version: 1.0\r\n")
    return "".join(lines).encode() + (_with_files(email, international) if email.attachments else _body(email))


def _body(email: Email) -> bytes:
    """Content-Type and content of a mail without files: text, HTML, or both as alternatives."""
    if email.html is None:
        return _part("plain", email.text or "")
    if email.text is None:
        return _part("html", email.html)
    boundary = f"=_{secrets.token_hex(12)}"
    between = f"--{boundary}\r\n".encode()
    opening = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()
    parts = (opening, _part("plain", email.text), _part("html", email.html))
    return between.join(parts) + f"--{boundary}--\r\n".encode()


def _part(subtype: str, text: str) -> bytes:
    """A part of text. It is encoded unless all of it is plain lines."""
    content = _LINE_ENDS.sub("\r\n", text)
    if not content.endswith("\r\n"):
        content += "\r\n"
    if _PLAIN_LINES.fullmatch(content):
        charset, encoding, data = "us-ascii", "7bit", content.encode("ascii")
    else:
        charset, encoding, data = "utf-8", *_encoded(content.encode("utf-8", "replace"))
    head = f'Content-Type: text/{subtype}; charset="{charset}"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode() + data


def _encoded(data: bytes) -> tuple[str, bytes]:
    """In the encoding that is shorter; text of mostly plain letters stays readable."""
    if sum(byte > 126 for byte in data[:1000]) * 6 < len(data[:1000]):
        return "quoted-printable", binascii.b2a_qp(data, istext=True)
    lines = (binascii.b2a_base64(data[at : at + 57], newline=False) for at in range(0, len(data), 57))
    return "base64", b"".join(line + b"\r\n" for line in lines)


def _with_files(email: Email, international: bool) -> bytes:
    """Content-Type and content of a mail with attachments."""
    message = EmailMessage(INTERNATIONAL if international else PLAIN)
    if email.text is not None or email.html is None:
        message.set_content(email.text or "")
    if email.html is not None and email.text is not None:
        message.add_alternative(email.html, subtype="html")
    elif email.html is not None:
        message.set_content(email.html, subtype="html")
    for attachment in email.attachments:
        main, _, sub = attachment.content_type.partition("/")
        if CONTROL.search(attachment.filename + attachment.content_type) is not None:
            raise HeaderRefused("An attachment's name or type has a line break or another control character.")
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.filename)
    del message["MIME-Version"]
    try:
        return message.as_bytes()
    except (ValueError, LookupError, TypeError) as error:
        raise HeaderRefused("The mail's files cannot be written.") from error
