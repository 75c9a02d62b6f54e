"""What we ask the provider to echo: which attempt of which message, provably ours.

`v1.<message id, base32>.<epoch>.<tag>`: 39 or so ASCII characters, well under Meta's 256 bytes for
`biz_opaque_callback_data`. The tag is keyed per tenant, so that a tenant with its own app at the provider cannot
speak for another tenant's attempts.
"""

from collections.abc import Callable

from msgspec import Struct

from messaging.domain.shared.ids import MessageId, decode_uuid, encode_uuid


class Reference(Struct, frozen=True, kw_only=True):
    message_id: MessageId
    epoch: int
    tag: str

    @property
    def signed_part(self) -> str:
        return _signed_part(self.message_id, self.epoch)


def _signed_part(message_id: MessageId, epoch: int) -> str:
    return f"v1.{encode_uuid(message_id)}.{epoch}"


def write(message_id: MessageId, epoch: int, tag: Callable[[str], str]) -> str:
    part = _signed_part(message_id, epoch)
    return f"{part}.{tag(part)}"


def parse(text: str) -> Reference | None:
    """None for anything we did not write; whether the tag is right is for the caller, who has the key."""
    parts = text.split(".")
    if len(parts) != 4 or parts[0] != "v1" or not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) <= 9):
        return None
    message_id = decode_uuid(parts[1])
    return (
        None if message_id is None else Reference(message_id=MessageId(message_id), epoch=int(parts[2]), tag=parts[3])
    )
