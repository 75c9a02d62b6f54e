"""The reference that the provider is asked to echo: it names one attempt of one message, and carries a MAC.

`v1.<message id, base32>.<epoch>.<tag>`: about 39 ASCII characters, and providers take at least 100.
The tag is keyed per tenant, so that a tenant with its own app at the provider cannot
forge a reference to another tenant's attempts.
"""

from collections.abc import Callable

from msgspec import Struct

from messaging.domain.shared.ids import MessageId, decode_uuid, encode_uuid


class Reference(Struct, frozen=True, kw_only=True):
    message_id: MessageId
    epoch: int
    tag: str


def write(message_id: MessageId, epoch: int, tag: Callable[[str], str]) -> str:
    part = f"v1.{encode_uuid(message_id)}.{epoch}"
    return f"{part}.{tag(part)}"


def verify(text: str, tag: Callable[[str], str]) -> Reference | None:
    """Parse a reference; None unless this platform wrote it for the tenant whose `tag` function is given."""
    reference = parse(text)
    return reference if reference is not None and tag(text.rpartition(".")[0]) == reference.tag else None


def parse(text: str) -> Reference | None:
    """Parse a reference without checking its tag; None for a text that the platform cannot have written."""
    parts = text.split(".")
    if len(parts) != 4 or parts[0] != "v1" or not (parts[2].isascii() and parts[2].isdigit() and len(parts[2]) <= 9):
        return None
    message_id = decode_uuid(parts[1])
    return (
        None if message_id is None else Reference(message_id=MessageId(message_id), epoch=int(parts[2]), tag=parts[3])
    )
