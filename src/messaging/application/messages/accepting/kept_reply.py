"""Packs a reply that is kept for idempotent repetitions: its exact bytes, compressed when long.

A batch's reply says nearly the same of each of its messages, and compresses to a tenth of its length.
"""

import zlib
from typing import Final

# Bytes. Shorter replies, such as that about one message, are stored uncompressed: compression would save little and
# cost time.
_AS_IT_IS: Final = 1_024
# Compressed data begins with this byte (RFC 1950); JSON never does.
_PACKED: Final = b"\x78"
_QUICK: Final = 1


def pack(body: bytes) -> bytes:
    return body if len(body) <= _AS_IT_IS else zlib.compress(body, _QUICK)


def unpack(kept: bytes) -> bytes:
    """The bytes that `pack` was given; uncompressed replies, also of the version before, are returned unchanged."""
    return zlib.decompress(kept) if kept.startswith(_PACKED) else kept
