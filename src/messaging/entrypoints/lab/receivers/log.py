"""A receiver's own log of every request that it got: what storms and measurements judge deliveries by."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import Struct

_BEGINNING: Final = "whsec_"


class Request(Struct, frozen=True, kw_only=True):
    """One request as it came, and how it ended; times are epoch seconds.

    `id` and `attempt` are those of its headers, `key` what it is about and `sequence` its place there. `ended` is when
    the answer was written or the connection was seen to be over. `status` is None if no answer was written.
    """

    receiver: str
    id: str
    attempt: int
    type: str
    key: str
    sequence: int
    digest: str
    signed: bool
    began: float
    ended: float
    status: int | None

    @property
    def acknowledged(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class _Data(Struct):
    sequence: int
    event_id: str = ""
    message: dict[str, object] = msgspec.field(default_factory=dict)


class _Body(Struct):
    type: str
    data: _Data


_DECODER: Final = msgspec.json.Decoder(_Body)


class Arrived(Struct, frozen=True, kw_only=True):
    """A request whose answer is still to be given."""

    headers: Mapping[str, str]
    body: bytes
    began: float

    def logged(self, receiver: str, secret: str | None, *, ended: float, status: int | None) -> Request:
        told = _DECODER.decode(self.body)
        return Request(
            receiver=receiver,
            id=self.headers.get("webhook-id", ""),
            attempt=int(self.headers.get("webhook-attempt", "0")),
            type=told.type,
            key=str(told.data.message.get("id") or told.data.event_id),
            sequence=told.data.sequence,
            digest=hashlib.sha256(self.body).hexdigest(),
            signed=secret is None or is_signed(self.headers, self.body, secret),
            began=self.began,
            ended=ended,
            status=status,
        )


def is_signed(headers: Mapping[str, str], body: bytes, secret: str) -> bool:
    """Whether one of the signatures is the secret's, as Standard Webhooks has it; written from its specification."""
    key = base64.b64decode(secret.removeprefix(_BEGINNING))
    signed = f"{headers.get('webhook-id')}.{headers.get('webhook-timestamp')}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    return expected in headers.get("webhook-signature", "").split()
