"""Writes the mail that servers send back: delivery reports, complaints, automatic answers."""

from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.mime.multipart import MIMEMultipart
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Final, assert_never

import msgspec

from messaging.entrypoints.sandbox.smtp.outcomes import Outcome, Returns

_HOST: Final = "mx.sandbox.test"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A message that the server took."""

    return_path: str
    recipient: str
    subject: str
    message_id: str
    headers: str
    """Its header lines."""


def write(kind: Returns, taken: Taken, outcome: Outcome) -> tuple[str, bytes]:
    """The envelope's sender and the content of a mail to the return path."""
    match kind:
        case Returns.FAILED | Returns.DELAYED:
            return "", _report(kind.value, taken, outcome)
        case Returns.WORDS:
            return "", _in_words(taken, outcome)
        case Returns.COMPLAINT:
            return "feedback@sandbox.test", _complaint(taken)
        case Returns.AUTO_REPLY:
            return taken.recipient, _auto_reply(taken)
        case _:
            assert_never(kind)


def _started(taken: Taken, sender: str, subject: str) -> EmailMessage:
    message = EmailMessage(SMTP.clone(cte_type="7bit"))
    _address(message, taken, sender, subject)
    return message


def _address(message: Message, taken: Taken, sender: str, subject: str) -> None:
    message["From"] = sender
    message["To"] = taken.return_path
    message["Subject"] = subject
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = make_msgid(domain=_HOST)


def _multipart(taken: Taken, report_type: str, subject: str, words: str, fields: Message) -> bytes:
    """A multipart/report: words for people, fields for programs, and the headers of what it is about."""
    message = MIMEMultipart("report", policy=SMTP, report_type=report_type)
    _address(message, taken, f"Mail Delivery System <MAILER-DAEMON@{_HOST}>", subject)
    message["Auto-Submitted"] = "auto-replied"
    message.attach(_text_part("text/plain", words))
    message.attach(fields)
    message.attach(_text_part("text/rfc822-headers", taken.headers))
    return message.as_bytes()


def _text_part(content_type: str, text: str) -> Message:
    part = Message()
    part["Content-Type"] = content_type
    part.set_payload(text)
    return part


def _fields(content_type: str, *groups: dict[str, str]) -> Message:
    part = Message()
    part["Content-Type"] = content_type
    blocks: list[Message | str] = []
    for group in groups:
        block = Message()
        for name, value in group.items():
            block[name] = value
        blocks.append(block)
    part.set_payload(blocks)
    return part


def _report(action: str, taken: Taken, outcome: Outcome) -> bytes:
    status = outcome.status
    recipient = {
        "Final-Recipient": f"rfc822; {taken.recipient}",
        "Action": action,
        "Status": status,
        "Diagnostic-Code": f"smtp; {outcome.diagnostic}",
    }
    fields = _fields("message/delivery-status", {"Reporting-MTA": f"dns; {_HOST}"}, recipient)
    words = f"<{taken.recipient}>: {outcome.diagnostic}\n"
    return _multipart(taken, "delivery-status", f"Delivery status: {action}", words, fields)


def _complaint(taken: Taken) -> bytes:
    fields = _fields(
        "message/feedback-report",
        {"Feedback-Type": "abuse", "User-Agent": "Sandbox/1", "Version": "1", "Original-Rcpt-To": taken.recipient},
    )
    return _multipart(taken, "feedback-report", "Abuse report", "This is an abuse report.\n", fields)


def _in_words(taken: Taken, outcome: Outcome) -> bytes:
    message = _started(taken, f"MAILER-DAEMON@{_HOST}", "failure notice")
    message.set_content(
        f"Hi. This is the mail program at {_HOST}.\nI could not deliver your message.\n\n"
        f"<{taken.recipient}>:\n{outcome.diagnostic}\n"
    )
    return message.as_bytes()


def _auto_reply(taken: Taken) -> bytes:
    message = _started(taken, taken.recipient, f"Out of office: {taken.subject}"[:200])
    message["Auto-Submitted"] = "auto-replied"
    message["In-Reply-To"] = taken.message_id
    message.set_content("I am away until Monday.\n")
    return message.as_bytes()
