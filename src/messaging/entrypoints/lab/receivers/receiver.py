"""A tenant's system that takes callbacks: as badly behaved as it is told to be, and honest in its log."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from enum import StrEnum
from typing import Final

from messaging.entrypoints.lab.receivers.log import Arrived, Request

_HEAD_END: Final = b"\r\n\r\n"


class Answer(StrEnum):
    """What a receiver does with a request. All of them take it in, as far as its log is concerned."""

    TAKE = "take"
    REFUSE = "refuse"
    THROTTLE = "throttle"
    GONE = "gone"
    # Says nothing until the caller gives up.
    HANG = "hang"
    # Hangs up without an answer, or within it.
    CLOSE = "close"
    CLOSE_WITHIN = "close_within"


_SAID: Final = {
    Answer.TAKE: (200, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    Answer.REFUSE: (503, b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n"),
    Answer.THROTTLE: (429, b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"),
    Answer.GONE: (410, b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"),
}


class Receiver:
    """Listens on loopback at `url`. `manner` says what it does with the next request; `requests` is its log.

    `secret` is what callbacks to it must be signed with, once it is known.
    """

    def __init__(self, name: str, manner: Callable[[], Answer] = lambda: Answer.TAKE) -> None:
        self.name = name
        self.manner = manner
        self.secret: str | None = None
        self.requests: list[Request] = []
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def open(self, host: str = "127.0.0.1") -> None:
        self._server = await asyncio.start_server(self._serve, host, 0)

    @property
    def url(self) -> str:
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}/{self.name}"

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            # Whoever calls may go at any time, killed ones without a word.
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    await self._answer(await _read(reader), reader, writer)
        finally:
            writer.close()
            del self._open[task]

    async def _answer(self, arrived: Arrived, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status: int | None = None
        try:
            status = await _do(self.manner(), reader, writer)
        finally:
            self.requests.append(arrived.logged(self.name, self.secret, ended=time.time(), status=status))


async def _do(answer: Answer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int | None:
    """The status that was written, if one was."""
    if answer is Answer.HANG:
        # The end of what the caller says is the end of the connection.
        await reader.read(1)
    if answer is Answer.CLOSE_WITHIN:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
    if answer not in _SAID:
        writer.close()
        return None
    status, said = _SAID[answer]
    writer.write(said)
    await writer.drain()
    return status


async def _read(reader: asyncio.StreamReader) -> Arrived:
    head = await reader.readuntil(_HEAD_END)
    began = time.time()
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Arrived(headers=headers, body=body, began=began)
