"""Reads one webhook from the connection within bounds, and answers it: 200 only for what is stored."""

import asyncio
import logging
from collections.abc import Mapping
from http import HTTPStatus

import msgspec
from msgspec import Struct

from messaging.application.gather import Overloaded
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.webhooks.receive import (
    Arriving,
    Challenge,
    Duplicate,
    Forged,
    Stored,
    StoreWebhook,
    Unknown,
)
from messaging.entrypoints.http_server.bodies import BodyRoom
from messaging.entrypoints.observability.asgi import Receive, Scope, Send

log = logging.getLogger(__name__)

# The largest webhooks that a provider announces are 3 MB.
BODY_CAP = 4 * 1024 * 1024
# Seconds. A provider without an answer repeats the webhook later, which is better than a connection held for ever.
_READING, _STORING = 30.0, 15.0
_RETRY_AFTER = b"5"


class Answer(Struct, frozen=True, kw_only=True):
    status: int
    body: bytes
    content_type: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class _TooLarge(Exception):
    """The body is, or says that it is, longer than BODY_CAP."""


class _Gone(Exception):
    """The caller hung up before the body was complete; nobody is there to be answered."""


class ReceiveWebhook:
    """`GET` answers the provider's subscription check, `POST` takes a webhook."""

    def __init__(self, accept: StoreWebhook) -> None:
        self._accept = accept
        self._room = BodyRoom()

    async def __call__(self, scope: Scope, receive: Receive, send: Send, *, provider: str, token: str) -> None:
        try:
            answer = await self._answer(scope, receive, provider, token)
        except _Gone:
            log.info("webhook.interrupted")
            return
        await reply(send, answer, head=scope["method"] == "HEAD")

    async def _answer(self, scope: Scope, receive: Receive, provider: str, token: str) -> Answer:
        try:
            match scope["method"]:
                case "POST":
                    return await self._post(scope, receive, provider, token)
                case "GET" | "HEAD":
                    return await self._handshake(scope, provider, token)
                case _:
                    return problem(HTTPStatus.METHOD_NOT_ALLOWED, (b"allow", b"GET, POST"))
        except _Gone:
            raise
        except _TooLarge:
            # Unread bytes may still be on the way, so the connection is of no further use.
            return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, (b"connection", b"close"))
        except (StoreUnavailable, Overloaded, TimeoutError) as error:
            log.warning("webhook.not_stored", extra={"error": type(error).__name__, "store": "postgres"})
            self._accept.count_not_stored(provider)
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, (b"retry-after", _RETRY_AFTER))
        except Exception:
            log.exception("webhook.not_stored")
            self._accept.count_not_stored(provider)
            return problem(HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _post(self, scope: Scope, receive: Receive, provider: str, token: str) -> Answer:
        """Answers a POST. A body for nobody, or one that is too large, is not read."""
        headers = _headers(scope)
        _require_size(headers)
        async with asyncio.timeout(_STORING):
            if not await self._accept.knows(provider, token):
                return problem(HTTPStatus.NOT_FOUND)
        try:
            async with asyncio.timeout(_READING):
                body = await self._body(receive)
        except TimeoutError:
            return problem(HTTPStatus.REQUEST_TIMEOUT, (b"connection", b"close"))
        async with asyncio.timeout(_STORING):
            outcome = await self._accept(_arriving(scope, provider, token, headers, body))
        match outcome:
            case Stored(answer=answer) | Duplicate(answer=answer):
                return Answer(status=200, body=answer.body, content_type=answer.content_type.encode())
            case Forged():
                return problem(HTTPStatus.UNAUTHORIZED)
            case Unknown():
                return problem(HTTPStatus.NOT_FOUND)

    async def _body(self, receive: Receive) -> bytes:
        body = bytearray()
        with self._room.share() as share:
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise _Gone
                part = event.get("body", b"")
                if len(body) + len(part) > BODY_CAP:
                    raise _TooLarge
                body += part
                if not event.get("more_body", False):
                    return bytes(body)
                share.take(len(part))

    async def _handshake(self, scope: Scope, provider: str, token: str) -> Answer:
        async with asyncio.timeout(_STORING):
            outcome = await self._accept.handshake(_arriving(scope, provider, token, _headers(scope), b""))
        match outcome:
            case Challenge(body=body):
                # The caller chose these characters: a browser must never render them as a page.
                return Answer(status=200, body=body.encode(), content_type=b"text/plain; charset=utf-8")
            case Forged():
                return problem(HTTPStatus.UNAUTHORIZED)
            case Unknown():
                return problem(HTTPStatus.NOT_FOUND)


async def reply(send: Send, answer: Answer, *, head: bool = False) -> None:
    headers = [
        (b"content-type", answer.content_type),
        (b"content-length", str(len(answer.body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *answer.headers,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answer.body})


def problem(status: HTTPStatus, *headers: tuple[bytes, bytes]) -> Answer:
    """RFC 9457 without details: providers read the status only, and others shall learn nothing."""
    body = msgspec.json.encode({"type": "about:blank", "title": status.phrase, "status": int(status)})
    return Answer(status=status, body=body, content_type=b"application/problem+json", headers=headers)


def _arriving(scope: Scope, provider: str, token: str, headers: Mapping[str, str], body: bytes) -> Arriving:
    query = scope["query_string"].decode("latin-1")
    return Arriving(provider=provider, token=token, headers=headers, body=body, method=scope["method"], query=query)


def _headers(scope: Scope) -> Mapping[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}


def _require_size(headers: Mapping[str, str]) -> None:
    announced = headers.get("content-length", "0")
    if announced.isdecimal() and (len(announced) > 15 or int(announced) > BODY_CAP):
        raise _TooLarge
