"""The scripts of a provider that is reached by SMTP: a message is taken with the answer to its final dot."""

import asyncio
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from msgspec import Struct

from messaging.domain.messages.retry import Rejected, Sent, Throttled, Unavailable, Uncertain, Unreachable
from tests.conformance.outcomes import PROVEN_NOT_ACCEPTED, Class, Outcome, Script
from tests.conformance.subject import Wire
from tests.integration.providers.whatsapp_cloud.raw_server import Behaviour, RawServer, reset

_DOT: Final = b"\r\n.\r\n"


class Step(StrEnum):
    """What a server answers, in the order of a conversation."""

    GREETING = "greeting"
    LOGIN = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


_ANSWERS: Final[Mapping[str, bytes]] = {
    Step.GREETING: b"220 mx.test ESMTP",
    "ehlo": b"250-mx.test\r\n250-AUTH PLAIN\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 36700160",
    Step.LOGIN: b"235 2.7.0 Accepted",
    Step.MAIL: b"250 2.1.0 OK",
    Step.RCPT: b"250 2.1.5 OK",
    Step.DATA: b"354 Go ahead",
    Step.DOT: b"250 2.0.0 OK: queued as 1",
    "noop": b"250 OK",
    "rset": b"250 OK",
    "quit": b"221 Bye",
}


class Ending(StrEnum):
    """What a server does in place of the answer to a step."""

    CLOSE = "close"
    RESET = "reset"
    SILENCE = "silence"
    # After the first byte of the content.
    RESET_IN_CONTENT = "reset_in_content"
    # When the test says so, which it does when the adapter asks for permission.
    LEAVE = "leave"


class _Instead(Struct, frozen=True):
    """At `step`, say `answer` or do `ending` (after `answer`, if both are given)."""

    step: Step
    answer: bytes = b""
    ending: Ending | None = None


def answering(step: Step, answer: str, *classes: Class) -> Script:
    """A server that answers a step in this way."""
    return Script(behave=_server(_Instead(step, answer.encode())), classes=frozenset(classes or PROVEN_NOT_ACCEPTED))


def smtp_wire() -> Wire:
    lost, not_taken = frozenset[Class]({Uncertain}), frozenset[Class]({Unreachable})
    refused = (Unavailable, Throttled, Rejected, Unreachable)

    def ends(step: Step, ending: Ending, classes: frozenset[Class], answer: bytes = b"") -> Script:
        return Script(behave=_server(_Instead(step, answer, ending)), classes=classes)

    return Wire(
        scripts={
            Outcome.ACCEPTED: answering(Step.DOT, "250 2.0.0 OK: queued as 1", Sent),
            Outcome.NAME_UNKNOWN: Script(behave=None, classes=not_taken),
            Outcome.REFUSED: Script(behave=None, classes=not_taken),
            Outcome.TLS_FAILED: Script(behave=_server(None), classes=frozenset({Unreachable, Unavailable})),
            Outcome.GONE_WHILE_ASKING: ends(Step.DATA, Ending.LEAVE, not_taken, _ANSWERS[Step.DATA]),
            # The dot may already have been written when the reset arrives.
            Outcome.CUT_IN_REQUEST: ends(
                Step.DATA, Ending.RESET_IN_CONTENT, frozenset({Unreachable, Uncertain}), _ANSWERS[Step.DATA]
            ),
            Outcome.CLOSED_AFTER_REQUEST: ends(Step.DOT, Ending.CLOSE, lost),
            Outcome.RESET_AFTER_REQUEST: ends(Step.DOT, Ending.RESET, lost),
            Outcome.SILENT: ends(Step.DOT, Ending.SILENCE, lost),
            Outcome.ANSWER_CUT: ends(Step.DOT, Ending.CLOSE, lost, b"25"),
            # The code says all, and the id of a mail is its sender's own.
            Outcome.ANSWER_UNREADABLE: Script(
                behave=_server(_Instead(Step.DOT, b"250 \xff\xfe\x00 \xc3(")), classes=frozenset({Sent, Uncertain})
            ),
            Outcome.ANSWER_WITHOUT_ID: answering(Step.DOT, "250", Sent),
        },
        answers={
            "554 at the greeting": answering(Step.GREETING, "554 5.7.1 No", *refused),
            "421 at the greeting": answering(Step.GREETING, "421 4.3.2 Closing", *refused),
            "535 to the login": answering(Step.LOGIN, "535 5.7.8 Bad credentials", Unavailable),
            "550 to the sender": answering(Step.MAIL, "550 5.1.8 Not you", *refused),
            "450 to the recipient": answering(Step.RCPT, "450 4.2.0 Later", Unavailable),
            "550 to the recipient": answering(Step.RCPT, "550 5.1.1 Nobody", Rejected),
            "554 to DATA": answering(Step.DATA, "554 5.5.1 No valid recipients", *refused),
            "451 to the dot": answering(Step.DOT, "451 4.3.0 Later", Unavailable),
            "552 to the dot": answering(Step.DOT, "552 5.3.4 Too large", Rejected),
            "554 to the dot": answering(Step.DOT, "554 5.6.0 Malformed", Rejected),
            "no code to the dot": answering(Step.DOT, "what a nice message", Uncertain),
            "354 to the dot": answering(Step.DOT, "354 More", Uncertain),
        },
        accepted_id=None,
    )


def _server(instead: _Instead | None) -> Behaviour:
    async def behave(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _Conversation(server, reader, writer, instead).run()

    return behave


class _Over(ConnectionError):
    """The server ends the conversation."""


class _Conversation:
    """One connection, from the greeting to its end."""

    def __init__(
        self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, instead: _Instead | None
    ) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer
        self._instead = instead

    async def run(self) -> None:
        await self._say(Step.GREETING)
        while line := await self._reader.readline():
            step = line.strip().partition(b" ")[0].decode("latin-1").lower()
            await self._say(step if step in _ANSWERS else "noop")
            if step == Step.DATA and not self._is_changed(Step.DATA):
                await self._take()
                await self._say(Step.DOT)

    async def _take(self) -> None:
        """Read the content, and count it as a request: nothing said before it makes a server take a message."""
        content = await self._reader.readuntil(_DOT)
        self._server.requests.append(content)
        self._server.bytes_received += len(content)

    async def _say(self, step: str) -> None:
        instead = self._instead
        if instead is None or instead.step != step:
            await self._write(_ANSWERS[step] + b"\r\n")
            return
        if instead.answer:
            await self._write(instead.answer + (b"" if instead.ending is Ending.CLOSE else b"\r\n"))
        if instead.ending is not None:
            await self._end(instead.ending)

    async def _end(self, ending: Ending) -> None:
        match ending:
            case Ending.CLOSE:
                pass
            case Ending.RESET:
                reset(self._writer)
            case Ending.RESET_IN_CONTENT:
                await self._reader.readexactly(1)
                reset(self._writer)
            case Ending.SILENCE | Ending.LEAVE:
                await self._server.release.wait()
        raise _Over

    def _is_changed(self, step: Step) -> bool:
        return self._instead is not None and self._instead.step is step

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
