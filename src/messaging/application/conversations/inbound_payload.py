"""Encodes the content of an inbound message for sealing, and names the encryption context it is sealed under."""

import msgspec

from messaging.application.ports.secrets import TenantCipher
from messaging.domain.conversations.inbound import InboundMessage
from messaging.domain.shared.ids import InboundId, Prefix, typeid

# JSON, because the provider's own object was JSON: its integers may exceed what msgpack can hold.
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[InboundMessage] = msgspec.json.Decoder(InboundMessage)


def seal(cipher: TenantCipher, id: InboundId, message: InboundMessage) -> bytes:
    return cipher.seal(_context(id), _encoder.encode(message))


def unseal(cipher: TenantCipher, id: InboundId, sealed: bytes) -> InboundMessage:
    """Raises CannotDecrypt for a ciphertext of another message, tenant or key."""
    return _decoder.decode(cipher.open(_context(id), sealed))


def _context(id: InboundId) -> str:
    return f"inbound_messages.payload:{typeid(Prefix.INBOUND, id)}"
