"""Reads requests from the server, and writes answers to it, whole or damaged."""

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, assert_never
from urllib.parse import parse_qsl

import msgspec
from msgspec.structs import replace

# ASGI's own loose types; nothing past this module sees them.
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Json = dict[str, object]

TRANSPORT = "messaging.transport"
MAX_BODY = 4 * 1024 * 1024
_decode = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


class Disconnected(Exception):
    """The caller left before its request was complete."""


class BodyTooLarge(Exception):
    """The body passed `MAX_BODY`."""


class NotJson(Exception):
    """The body is not a JSON object."""


class Request(msgspec.Struct, kw_only=True):
    """One call, read completely."""

    method: str
    parts: tuple[str, ...]
    """Path segments."""
    query_string: bytes
    authorization: str
    """The header as it came; empty without one."""
    form: bool
    body: bytes
    received_at: float
    """Epoch seconds at which the last body byte was read."""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """As they came, with names in lower case."""

    def header(self, name: str) -> str:
        """The header of this name, in any case; empty without one."""
        wanted = name.lower().encode()
        return next((value.decode("latin-1") for known, value in self.headers if known == wanted), "")

    @property
    def path(self) -> str:
        return "/" + "/".join(self.parts)

    @property
    def token(self) -> str | None:
        """The bearer token; None without one."""
        scheme, _, credential = self.authorization.partition(" ")
        return credential.strip() if scheme.lower() == "bearer" else None

    def query(self) -> dict[str, str]:
        """Query parameters; the last one of a name wins."""
        return dict(parse_qsl(self.query_string.decode("latin-1"), keep_blank_values=True))

    def json(self) -> Json:
        """The body as an object; an empty body is an empty object. Raises `NotJson`."""
        if not self.body:
            return {}
        try:
            value = _decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise NotJson(str(error)) from error
        if not isinstance(value, dict):
            raise NotJson("the body is not an object")
        return value

    def parameters(self) -> Json:
        """Query and body together, for APIs that take a parameter from either."""
        if self.form:
            return {**self.query(), **dict(parse_qsl(self.body.decode("latin-1"), keep_blank_values=True))}
        return {**self.query(), **self.json()}


class Reply(msgspec.Struct, frozen=True):
    """A complete answer."""

    status: int
    body: bytes
    content_type: bytes = b"application/json; charset=UTF-8"
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Late(msgspec.Struct, frozen=True):
    """The answer, after a wait."""

    reply: Reply
    seconds: float


class Hang(msgspec.Struct, frozen=True):
    """No answer at all; the connection is cut after `seconds` if the caller has not left before."""

    seconds: float


class Reset(msgspec.Struct, frozen=True):
    """A TCP reset instead of an answer."""


class Truncated(msgspec.Struct, frozen=True):
    """The answer's headers and half of its announced body, then the end of the connection."""

    reply: Reply


Effect = Reply | Late | Hang | Reset | Truncated


def json_reply(status: int, value: object) -> Reply:
    """An ordinary JSON answer."""
    return Reply(status, encode(value))


async def read_request(scope: Scope, receive: Receive) -> Request:
    """Read the whole request; raises `Disconnected` or `BodyTooLarge`."""
    body = await _read_body(receive)
    authorization, form = _read_headers(scope["headers"])
    return Request(
        method=scope["method"],
        parts=tuple(part for part in scope["path"].split("/") if part),
        query_string=scope["query_string"],
        authorization=authorization,
        form=form,
        body=body,
        received_at=time.time(),
        headers=scope["headers"],
    )


def with_headers(effect: Effect, headers: tuple[tuple[bytes, bytes], ...]) -> Effect:
    """The effect, whose answer, if it has one, carries these headers as well."""
    match effect:
        case Reply():
            return replace(effect, headers=(*effect.headers, *headers))
        case Late(reply=reply) | Truncated(reply=reply):
            return replace(effect, reply=replace(reply, headers=(*reply.headers, *headers)))
        case Hang() | Reset():
            return effect
        case _:
            assert_never(effect)


async def perform(effect: Effect, scope: Scope, receive: Receive, send: Send, *, stopping: asyncio.Event) -> None:
    """Carry out an effect on the connection it belongs to; `stopping` ends a hang."""
    match effect:
        case Reply():
            await _answer(effect, send)
        case Late(reply=reply, seconds=seconds):
            await asyncio.sleep(seconds)
            await _answer(reply, send)
        case Hang(seconds=seconds):
            await _hang(receive, seconds, stopping)
            await _cut(scope, receive, reset=False)
        case Reset():
            await _cut(scope, receive, reset=True)
        case Truncated(reply=reply):
            half = reply.body[: max(1, len(reply.body) // 2)]
            await send(_start(reply))
            await send({"type": "http.response.body", "body": half, "more_body": True})
            await _cut(scope, receive, reset=False)
        case _:
            assert_never(effect)


async def _answer(reply: Reply, send: Send) -> None:
    await send(_start(reply))
    await send({"type": "http.response.body", "body": reply.body})


def _start(reply: Reply) -> MutableMapping[str, Any]:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        *reply.headers,
    ]
    return {"type": "http.response.start", "status": reply.status, "headers": headers}


async def _hang(receive: Receive, seconds: float, stopping: asyncio.Event) -> None:
    """Return when the caller has left, the time is over, or the server stops."""
    waits = {asyncio.create_task(_disconnected(receive)), asyncio.create_task(_stopped(stopping))}
    _, unfinished = await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in unfinished:
        task.cancel()
    await asyncio.gather(*unfinished, return_exceptions=True)


async def _stopped(stopping: asyncio.Event) -> None:
    await stopping.wait()


async def _cut(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Ends the connection without the server's doing; `reset` makes the kernel send RST instead of FIN."""
    transport: asyncio.Transport = scope["extensions"][TRANSPORT]
    if reset:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    else:
        transport.close()
    await _disconnected(receive)


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


async def _read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False):
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise BodyTooLarge
    if message["type"] == "http.disconnect":
        raise Disconnected
    if len(body) > MAX_BODY:
        raise BodyTooLarge
    return body


def _read_headers(headers: list[tuple[bytes, bytes]]) -> tuple[str, bool]:
    authorization, form = "", False
    for name, value in headers:
        if name == b"authorization":
            authorization = value.decode("latin-1")
        elif name == b"content-type":
            form = value.startswith(b"application/x-www-form-urlencoded")
    return authorization, form
