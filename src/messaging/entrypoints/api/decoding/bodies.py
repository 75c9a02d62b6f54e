"""Decodes the body of a request: bounded, JSON only, and refused with a list of everything that is wrong with it."""

from typing import Any, Final, Generic, NamedTuple, TypeVar

import msgspec

from messaging.domain.content.email_rules import MAX_ATTACHED
from messaging.domain.shared.errors import DomainError, Violation
from messaging.domain.shared.refusals import invalid
from messaging.entrypoints.api.decoding.calls import Call
from messaging.entrypoints.api.decoding.instants import instants_in, violations_in
from messaging.entrypoints.api.decoding.shape import nul_violations, shape_violations
from messaging.entrypoints.http_server.bodies import BodyRoom

MAX_BODY_BYTES = 1024 * 1024
B = TypeVar("B")
_ROOM: Final = BodyRoom()

_decode_any = msgspec.json.Decoder().decode


class ReadBody(NamedTuple, Generic[B]):
    """The decoded body, and `raw`, the bytes as sent: the fingerprint of an idempotency key is made from them."""

    value: B
    raw: bytes


class Body(Generic[B]):
    """The body of one operation, with its decoder compiled once.

    A body whose parts are read later (`msgspec.Raw`) is `judged_as` a shape that allows anything in their place, and
    leaves looking for NULs to the reader of the parts.
    """

    def __init__(self, shape: type[B], *, judged_as: Any = None) -> None:
        self._decode = msgspec.json.Decoder(shape).decode
        self._judged_as = judged_as or shape
        self._whole = judged_as is None
        self._instants = instants_in(shape)

    async def read(self, request: Call) -> ReadBody[B]:
        """Raises DomainError: body_too_large, unsupported_media_type, malformed_json, validation_failed, …"""
        raw = await read_bytes(request)
        require_json(request)
        return ReadBody(self.decode(raw), raw)

    async def read_or(self, default: B, request: Call) -> ReadBody[B]:
        """The body, or `default` for a request without one. Raises as `read` does."""
        raw = await read_bytes(request)
        if not raw:
            return ReadBody(default, raw)
        require_json(request)
        return ReadBody(self.decode(raw), raw)

    def decode(self, raw: bytes | msgspec.Raw) -> B:
        try:
            value = self._decode(raw)
        except msgspec.ValidationError:
            raise invalid(*_all_violations(bytes(raw), self._judged_as)) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _unreadable(error) from None
        # Searching the bytes is cheap, and an escaped NUL is the only way a NUL gets into a JSON string.
        if self._whole and b"\\u0000" in (text := bytes(raw)) and (found := _nuls_in(text)):
            raise invalid(*found)
        if self._instants and (outside := tuple(violations_in(value, self._instants))):
            raise invalid(*outside)
        return value


async def read_bytes(request: Call) -> bytes:
    """The body as sent. One longer than `MAX_BODY_BYTES` is refused as soon as its length is known."""
    announced = request.headers.get("content-length")
    if announced is not None and announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise _too_large()
    first, more = await _part(request)
    if not more:
        if len(first) > MAX_BODY_BYTES:
            raise _too_large()
        return first
    return await _remaining(request, first)


async def _remaining(request: Call, first: bytes) -> bytes:
    body, part, more = bytearray(), first, True
    with _ROOM.share() as share:
        while True:
            if len(body) + len(part) > MAX_BODY_BYTES:
                raise _too_large()
            share.take(len(part))
            body += part
            if not more:
                return bytes(body)
            part, more = await _part(request)


async def _part(request: Call) -> tuple[bytes, bool]:
    """The next part of the body, and whether more parts follow."""
    event = await request.receive()
    if event["type"] != "http.request":
        raise DomainError("bad_request", "The connection ended before the body did.")
    return event.get("body", b""), event.get("more_body", False)


def _too_large() -> DomainError:
    return DomainError(
        "body_too_large",
        f"A body may have at most {MAX_BODY_BYTES} bytes. Split a batch. The files attached to an e-mail may have "
        f"{MAX_ATTACHED} bytes together, before base64; put larger ones behind a link.",
    )


def require_json(request: Call) -> None:
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != "application/json" or charset not in ("", "charset=utf-8"):
        raise DomainError("unsupported_media_type", "Send the body as Content-Type: application/json, in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise DomainError("unsupported_media_type", "Send the body uncompressed, without Content-Encoding.")


def canonical(raw: bytes) -> bytes:
    """The same bytes for the same JSON value, however it was spaced and ordered.

    An item of a batch that is not JSON is refused by itself; its bytes enter unchanged.
    """
    if not raw:
        return b""
    try:
        return msgspec.json.encode(_decode_any(raw), order="deterministic")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw


def _all_violations(raw: bytes, shape: Any) -> tuple[Violation, ...]:
    try:
        value = _decode_any(raw)
        return shape_violations(value, shape) + nul_violations(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _unreadable(error) from None


def _nuls_in(raw: bytes) -> tuple[Violation, ...]:
    try:
        return nul_violations(_decode_any(raw))
    except RecursionError as error:
        raise _unreadable(error) from None


def _unreadable(error: Exception) -> DomainError:
    if isinstance(error, RecursionError):
        return DomainError("nesting_too_deep", "Arrays and objects are nested more deeply than any request needs.")
    return DomainError("malformed_json", "The body is empty, is not JSON, or holds text that is not valid Unicode.")
