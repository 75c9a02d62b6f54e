"""HMAC-SHA256 as every message needs it several times: what depends on the key alone is done once."""

import hmac
from typing import Final

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS: Final = tuple(first + second for first in _LETTERS for second in _LETTERS)


class Hmac:
    """One key's HMAC-SHA256 (RFC 2104). To set up a key takes longer than to digest a short text with it."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")

    def __call__(self, text: bytes) -> bytes:
        digest = self._keyed.copy()
        digest.update(text)
        return digest.digest()


def base32(five_bytes: bytes) -> str:
    """Their 8 characters of base32 (RFC 4648) in lower case."""
    bits, of = int.from_bytes(five_bytes), _PAIRS
    return of[bits >> 30] + of[bits >> 20 & 1023] + of[bits >> 10 & 1023] + of[bits & 1023]
