"""The encrypted part of a message, how it is encoded, and the encryption context it is sealed under."""

import msgspec
from msgspec import Struct

from messaging.domain.channels.address import Recipient
from messaging.domain.content.content import Content
from messaging.domain.content.parameters import Pin
from messaging.domain.shared.ids import MessageId, Prefix, typeid


class Payload(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`pin` is set where the content names a template of the tenant's own."""

    to: Recipient
    content: Content
    metadata: dict[str, str]
    pin: Pin | None = None


_CONTEXT = "messages.contents:"
_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Payload] = msgspec.msgpack.Decoder(Payload)


def encode(payload: Payload) -> bytes:
    return _encoder.encode(payload)


def decode(packed: bytes) -> Payload:
    """Raises msgspec.DecodeError for bytes that `encode` did not write."""
    return _decoder.decode(packed)


def context(message_id: MessageId) -> str:
    """The encryption context of a message's payload: sealed under it, the ciphertext opens for no other message."""
    return _CONTEXT + typeid(Prefix.MESSAGE, message_id)


def context_of(public_id: str) -> str:
    """The encryption context of a message whose public id is given."""
    return _CONTEXT + public_id
