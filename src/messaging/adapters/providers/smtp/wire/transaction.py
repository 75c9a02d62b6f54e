"""Sends one message to one recipient over a conversation, and reports how far it came.

The permission is asked when the server has said that it awaits the content (354): nothing before that can make it take
the message, and of what follows only the final dot does.
"""

import asyncio
import re
from typing import Final

from msgspec import Struct

from messaging.adapters.http.client import Withheld
from messaging.adapters.http.transport import AskingFailed, MayStart
from messaging.adapters.providers.smtp.wire.conversation import Conversation
from messaging.adapters.providers.smtp.wire.exchange import Accepted, Exchange, Interrupted, Lost, Refused, Unfit
from messaging.adapters.providers.smtp.wire.replies import Stage

_LINE_ENDS: Final = re.compile(rb"\r\n|\n|\r")
_LEADING_DOT: Final = re.compile(rb"(?m)^\.")


class Envelope(Struct, frozen=True, kw_only=True):
    """What the server is told, apart from the content. `international` asks for SMTPUTF8."""

    sender: str
    recipient: str
    international: bool = False


class Progress:
    """How far a transaction has come; once `started`, it must not be tried a second time."""

    def __init__(self, may_start: MayStart) -> None:
        self._may_start = may_start
        self.stage = Stage.CONNECT
        self.started = False

    async def ask(self) -> bool:
        """The permission. Raises AskingFailed, which no time limit or broken connection is mistaken for."""
        try:
            allowed = await self._may_start()
        except Exception as error:
            raise AskingFailed(error) from error
        self.started = allowed
        return allowed


async def transact(
    conversation: Conversation,
    envelope: Envelope,
    content: bytes,
    progress: Progress,
    deadline: asyncio.Timeout,
    *,
    answer_seconds: float,
) -> Exchange:
    """Send `content` (RFC 5322 bytes). From the content on, `deadline` is set to `answer_seconds` from then.

    An exception of the permission is raised; the conversation must be cut then.
    """
    try:
        await _announce(conversation, envelope, len(content), progress)
        # No time limit may end the permission half-way.
        deadline.reschedule(None)
        if not await progress.ask():
            # The server awaits content: only the end of the connection calls that off.
            conversation.cut()
            return Withheld()
        deadline.reschedule(asyncio.get_running_loop().time() + answer_seconds)
        return await _hand_over(conversation, content, progress)
    except Interrupted as interrupted:
        return interrupted.end


async def _announce(conversation: Conversation, envelope: Envelope, size: int, progress: Progress) -> None:
    _require_fit(conversation, envelope, size)
    encoding = "utf-8" if envelope.international else "ascii"
    options = [b"SIZE=%d" % size] if conversation.offers("size") else []
    options += [b"BODY=8BITMIME", b"SMTPUTF8"] if envelope.international else []
    progress.stage = Stage.MAIL
    await conversation.require(Stage.MAIL, b"MAIL", f"FROM:<{envelope.sender}>".encode(encoding), *options)
    progress.stage = Stage.RCPT
    await conversation.require(Stage.RCPT, b"RCPT", f"TO:<{envelope.recipient}>".encode(encoding))
    progress.stage = Stage.DATA
    await conversation.require(Stage.DATA, b"DATA", answer=3)


def _require_fit(conversation: Conversation, envelope: Envelope, size: int) -> None:
    if envelope.international and not conversation.offers("smtputf8"):
        reason = "The address has letters beyond ASCII before its @, and the mail server does not offer SMTPUTF8."
        raise Interrupted(Unfit(code="smtputf8_not_offered", reason=reason))
    if conversation.largest is not None and size > conversation.largest:
        reason = f"The message has {size} bytes, and the mail server takes {conversation.largest} at most."
        raise Interrupted(Unfit(code="message_too_large", reason=reason))


async def _hand_over(conversation: Conversation, content: bytes, progress: Progress) -> Exchange:
    progress.stage = Stage.CONTENT
    await conversation.write_content(for_the_wire(content))
    progress.stage = Stage.DOT
    reply = await conversation.end_content()
    if reply.code // 100 == 2:
        return Accepted(reply=reply)
    if reply.code // 100 in (4, 5):
        return Refused(stage=Stage.DOT, reply=reply)
    return Lost(stage=Stage.DOT, reason=f"an answer that means nothing here ({reply.code})")


def for_the_wire(content: bytes) -> bytes:
    """The content with CR LF at every line end and at its end, and leading dots doubled (RFC 5321, 4.5.2)."""
    lines = _LINE_ENDS.sub(b"\r\n", content)
    if not lines.endswith(b"\r\n"):
        lines += b"\r\n"
    return _LEADING_DOT.sub(b"..", lines)
