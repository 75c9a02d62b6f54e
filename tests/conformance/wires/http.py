"""The scripts of a provider that is reached by HTTP: one request for one message."""

import asyncio
from collections.abc import Mapping
from typing import Final

from messaging.domain.messages.retry import Sent, Throttled, Uncertain, Unreachable
from tests.conformance.outcomes import Class, Outcome, Script
from tests.conformance.subject import Wire
from tests.integration.providers.whatsapp_cloud.raw_server import (
    RawServer,
    answer,
    hanging,
    reading_then_closing,
    reading_then_resetting,
    reset,
    saying,
)

# Answers without the provider's own words, as proxies give them: what was not refused may have been accepted.
_BARE: Final[Mapping[str, Class]] = {
    "302 Found": Uncertain,
    "408 Request Timeout": Uncertain,
    "429 Too Many Requests": Throttled,
    "500 Internal Server Error": Uncertain,
    "502 Bad Gateway": Uncertain,
    "503 Service Unavailable": Uncertain,
    "504 Gateway Timeout": Uncertain,
}
_ELSEWHERE: Final = "Location: /elsewhere\r\n"


def http_wire(
    *, accepted: bytes, accepted_id: str, without_id: bytes, status: str = "200 OK", content_type: str
) -> Wire:
    """The wire of a provider that accepts a message with `accepted`; `without_id` is a body that names no message."""

    def says(body: bytes, *classes: Class, as_type: str = content_type) -> Script:
        return Script(behave=saying(answer(status, body, content_type=as_type)), classes=frozenset(classes))

    lost, not_sent = frozenset[Class]({Uncertain}), frozenset[Class]({Unreachable})
    return Wire(
        scripts={
            Outcome.ACCEPTED: says(accepted, Sent),
            Outcome.NAME_UNKNOWN: Script(behave=None, classes=not_sent),
            Outcome.REFUSED: Script(behave=None, classes=not_sent),
            Outcome.TLS_FAILED: Script(behave=_no_tls, classes=not_sent),
            Outcome.GONE_WHILE_ASKING: Script(behave=_leaving, classes=not_sent),
            Outcome.CUT_IN_REQUEST: Script(behave=_resetting_early, classes=lost),
            Outcome.CLOSED_AFTER_REQUEST: Script(behave=reading_then_closing, classes=lost),
            Outcome.RESET_AFTER_REQUEST: Script(behave=reading_then_resetting, classes=lost),
            Outcome.SILENT: Script(behave=hanging, classes=lost),
            Outcome.ANSWER_CUT: Script(behave=saying(b"HTTP/1.1 20", then_close=True), classes=lost),
            Outcome.ANSWER_UNREADABLE: says(b"<html>Welcome</html>", Uncertain, as_type="text/html"),
            Outcome.ANSWER_WITHOUT_ID: says(without_id, Uncertain),
        },
        answers={
            status.partition(" ")[0]: Script(
                behave=saying(answer(status, b"", content_type="text/html", extra=_ELSEWHERE)),
                classes=frozenset({expected}),
            )
            for status, expected in _BARE.items()
        },
        accepted_id=accepted_id,
    )


async def _no_tls(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a handshake with something that is none."""
    await reader.read(1)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await writer.drain()


async def _leaving(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the connection, and leave when the test says so."""
    await server.release.wait()


async def _resetting_early(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset when the first byte has come."""
    await reader.readexactly(1)
    reset(writer)
