"""Refusals of requests before any application sees them, each answered by RFC 9457 and a closed connection."""

import os
from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct


class Refusal(Struct, frozen=True, kw_only=True):
    """A refusal. `code` has a page in docs/problems; `retry_after` is in seconds."""

    code: str
    status: int
    title: str
    detail: str
    retry_after: int | None = None


BAD_REQUEST: Final = Refusal(
    code="bad_request",
    status=400,
    title="The request cannot be read",
    detail="This is not HTTP/1.1 as RFC 9112 has it. Check what builds the request, and proxies on its way.",
)
HEADER_REPEATED: Final = Refusal(
    code="header_repeated",
    status=400,
    title="A header is there twice",
    detail="A header that has one value (Authorization, Content-Type, Idempotency-Key, Host, …) came more than once. "
    "Send it once.",
)
REQUEST_TIMEOUT: Final = Refusal(
    code="request_timeout",
    status=408,
    title="The request took too long to arrive",
    detail="The request did not arrive whole within the time it is given. Send it again, in one go.",
)
URL_TOO_LONG: Final = Refusal(
    code="url_too_long",
    status=414,
    title="The address is too long",
    detail="The request's address has more bytes than any operation needs. Shorten the query.",
)
HEAD_TOO_LARGE: Final = Refusal(
    code="head_too_large",
    status=431,
    title="The headers are too many or too large",
    detail="The request has more header lines, or more bytes of them, than are accepted. Send fewer.",
)
TOO_MANY_CONNECTIONS: Final = Refusal(
    code="overloaded",
    status=503,
    title="Too much at once",
    detail="This process has as many connections as it may have. Try again in a moment, and reuse connections.",
    retry_after=2,
)
REFUSALS: Final = (BAD_REQUEST, HEADER_REPEATED, REQUEST_TIMEOUT, URL_TOO_LONG, HEAD_TOO_LARGE, TOO_MANY_CONNECTIONS)


def answer_to(refusal: Refusal) -> bytes:
    """The whole HTTP answer, which ends the connection."""
    request_id = os.urandom(16).hex()
    body = msgspec.json.encode(
        {
            "type": f"/problems/{refusal.code}",
            "title": refusal.title,
            "status": refusal.status,
            "code": refusal.code,
            "detail": refusal.detail,
            "errors": (),
            "request_id": request_id,
        }
    )
    lines = [
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        "content-type: application/problem+json",
        f"content-length: {len(body)}",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
        f"x-request-id: {request_id}",
        "connection: close",
    ]
    if refusal.retry_after is not None:
        lines.append(f"retry-after: {refusal.retry_after}")
    return "\r\n".join((*lines, "", "")).encode() + body
