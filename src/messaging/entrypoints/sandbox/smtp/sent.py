"""An accepted mail as the ledger keeps it, and how it is read."""

import re
import time
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import parseaddr
from typing import Final

import msgspec

from messaging.entrypoints.sandbox.core.storage.ledger import Entry
from messaging.entrypoints.sandbox.smtp.conversation import Mail

NAME: Final = "smtp"
# Of longer mails only the headers are kept.
_KEPT: Final = 64 * 1024
_HEADERS_END: Final = re.compile(rb"\r?\n\r?\n")


class Sent(Entry, frozen=True, kw_only=True):
    """One accepted mail. `message_id` is its Message-ID, `sender` the address in From, and `reference` what stands
    before the @ of its Message-ID.
    """

    return_path: str
    login: str | None
    provider: str = NAME


class Body(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger shows of the mail itself."""

    subject: str
    size: int
    headers: str
    mail: str | None
    """The whole of it, if it is not long."""


class QueueIds:
    """The ids that the server gives mails. Nobody looks a mail up by one."""

    def mint(self, user: str, n: int) -> str:
        return f"{n:08X}"

    def position(self, message_id: str) -> int | None:
        return None


def entry_of(mail: Mail, n: int) -> Sent:
    headers = BytesHeaderParser().parsebytes(mail.content)
    message_id = _one_line(headers, "Message-ID")
    return Sent(
        n=n,
        message_id=message_id,
        to=mail.recipient,
        sender=parseaddr(_one_line(headers, "From"))[1],
        reference=message_id.strip("<>").rpartition("@")[0] or None,
        received_at=time.time(),
        body=msgspec.Raw(msgspec.json.encode(_body(mail, headers))),
        return_path=mail.sender,
        login=mail.login,
    )


def body_of(entry: Sent) -> Body:
    return msgspec.json.decode(entry.body, type=Body)


def _body(mail: Mail, headers: Message) -> Body:
    content = mail.content
    whole = content.decode("utf-8", "replace") if len(content) <= _KEPT else None
    return Body(
        subject=_one_line(headers, "Subject"),
        size=len(content),
        headers=_HEADERS_END.split(content, 1)[0][:_KEPT].decode("utf-8", "replace"),
        mail=whole,
    )


def _one_line(headers: Message, name: str) -> str:
    return " ".join(str(headers.get(name, "")).split())
