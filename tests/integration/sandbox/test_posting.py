"""Does a POST end with the status of its answer, whatever the other side does, and is its connection used again?"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from messaging.entrypoints.sandbox.posting import Poster, PostErrors

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Server:
    """Answers each request with the next of its answers, in the pieces given; None ends the connection instead."""

    def __init__(self, answers: Sequence[Sequence[bytes] | None]) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while head := await self._request(reader):
            self.requests.append(head)
            if (answer := self.answers.pop(0)) is None:
                break
            for piece in answer:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        return head + await reader.readexactly(length)


@asynccontextmanager
async def serving(*answers: Sequence[bytes] | None) -> AsyncIterator[tuple[Server, Poster]]:
    server, poster = Server(answers), Poster()
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()[:2]
    server.url = f"http://{host}:{port}/hooks/a%20b?c=d"
    try:
        yield server, poster
    finally:
        poster.close()
        listening.close()
        await listening.wait_closed()


async def test_the_request_carries_the_bytes_and_their_signature() -> None:
    async with serving([OK]) as (server, poster):
        assert await poster.post(server.url, b'{"a":1}', "sha256=abc") == 200

    (request,) = server.requests
    lines = request.split(b"\r\n")
    assert lines[0] == b"POST /hooks/a%20b?c=d HTTP/1.1"
    assert {b"x-hub-signature-256: sha256=abc", b"content-type: application/json", b"content-length: 7"} <= set(lines)
    assert lines[-1] == b'{"a":1}'


async def test_one_after_the_other_shares_a_connection_and_side_by_side_do_not() -> None:
    async with serving([OK], [OK], [OK], [OK]) as (server, poster):
        for _ in range(2):
            await poster.post(server.url, b"{}", "")
        assert server.connections == 1
        await asyncio.gather(poster.post(server.url, b"{}", ""), poster.post(server.url, b"{}", ""))

    assert server.connections == 2


CHUNKED = b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
CLOSING = b"HTTP/1.1 503 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"


@pytest.mark.parametrize(
    "pieces, status, connections",
    [
        ([OK[:20], OK[20:]], 200, 1),
        ([CHUNKED[:50], CHUNKED[50:]], 500, 1),
        ([INTERIM, OK], 200, 1),
        ([CLOSING], 503, 2),
        ([b"HTTP/1.1 302 Found\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"], 302, 1),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], 204, 1),
        ([b"HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n", b"x" * 200_000], 200, 2),
    ],
    ids=["in pieces", "chunked", "after an interim answer", "the last of its connection", "redirect", "empty", "huge"],
)
async def test_the_status_is_read_and_the_connection_kept_if_it_can_be(
    pieces: Sequence[bytes], status: int, connections: int
) -> None:
    async with serving(pieces, [OK]) as (server, poster):
        assert await poster.post(server.url, b"{}", "") == status
        await asyncio.sleep(0.05)
        assert await poster.post(server.url, b"{}", "") == 200

    assert server.connections == connections


@pytest.mark.parametrize("answer", [None, [b"nonsense\r\n\r\n"]], ids=["end of the connection", "not HTTP"])
async def test_without_an_answer_there_is_an_error_and_the_next_post_gets_another_connection(
    answer: Sequence[bytes] | None,
) -> None:
    async with serving(answer, [OK]) as (server, poster):
        with pytest.raises(PostErrors):
            await poster.post(server.url, b"{}", "")
        assert await poster.post(server.url, b"{}", "") == 200

    assert server.connections == 2


async def test_a_post_given_up_leaves_no_answer_to_the_next_one() -> None:
    async with serving([OK[:10]], [OK]) as (server, poster):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await poster.post(server.url, b"{}", "")
        assert await poster.post(server.url, b"{}", "") == 200

    assert server.connections == 2


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/nobody", "http://[::1/", "https://"])
async def test_an_address_where_nobody_answers_is_an_error(url: str) -> None:
    with pytest.raises(PostErrors):
        await Poster().post(url, b"{}", "")
