"""Seals the recipient ids of a receipt for the message's timeline, and opens them for the tenant."""

import base64

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from messaging.application.ports.secrets import TenantCipher
from messaging.domain.messages.change import Detail
from messaging.domain.messages.receipts import SEALED_RECIPIENT, Receipt


class _Ids(Struct, frozen=True, array_like=True):
    recipient_ids: tuple[str, ...]
    participant_id: str | None


_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[_Ids] = msgspec.msgpack.Decoder(_Ids)


def sealed(receipt: Receipt, cipher: TenantCipher) -> Receipt:
    """The receipt with its ids sealed; a participant of a group gets a pseudonym that only distinguishes them from
    others.
    """
    if not receipt.recipient_ids and not receipt.participant_id:
        return receipt
    packed = _encoder.encode(_Ids(receipt.recipient_ids, receipt.participant_id or None))
    text = base64.b64encode(cipher.seal(_context(receipt.provider_message_id), packed)).decode()
    facts = receipt.facts
    if receipt.participant_id:
        facts = (*facts, ("participant", cipher.tag(f"participant:{receipt.participant_id}")))
    return replace(receipt, sealed_recipient=text, facts=facts)


def opened(detail: Detail, cipher: TenantCipher) -> Detail:
    """The detail of a timeline entry with its ids decrypted. Raises CannotDecrypt for those of another tenant."""
    text, message_id = detail.get(SEALED_RECIPIENT), detail.get("provider_message_id")
    if not isinstance(text, str):
        return detail
    ids = _decoder.decode(cipher.open(_context(str(message_id)), base64.b64decode(text)))
    shown: Detail = {name: value for name, value in detail.items() if name != SEALED_RECIPIENT}
    shown["recipient_ids"] = ", ".join(ids.recipient_ids) or None
    if ids.participant_id is not None:
        shown["participant_id"] = ids.participant_id
    return shown


def _context(provider_message_id: str) -> str:
    return f"events.detail.recipient:{provider_message_id}"
