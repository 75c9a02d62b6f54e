"""Format of API keys: `mpk_<kind>_<public id>_<secret><check>`.

The public id (12 of base32) finds the row, the secret (32 of base62, 190 bits) proves possession, and the check (CRC-32
as 6 of base62) lets typing errors be refused and leaked keys be recognised by scanners, without a database query.
"""

import hashlib
import re
import zlib
from collections.abc import Callable
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct

from messaging.domain.shared.mode import Mode

_BASE32 = "abcdefghijklmnopqrstuvwxyz234567"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PUBLIC_LENGTH, _SECRET_LENGTH, _CHECK_LENGTH = 12, 32, 6
_SHAPE = re.compile(
    rf"mpk_(live|test|admin)_([a-z2-7]{{{_PUBLIC_LENGTH}}})_([0-9A-Za-z]{{{_SECRET_LENGTH}}})([0-9A-Za-z]{{{_CHECK_LENGTH}}})",
    re.ASCII,
)

Choose = Callable[[str], str]
"""Picks one character at random; `secrets.choice` outside tests."""


class KeyKind(StrEnum):
    LIVE = "live"
    TEST = "test"
    ADMIN = "admin"


class KeyText(Struct, frozen=True, kw_only=True):
    """A parsed key. The secret is never shown by `repr`."""

    kind: KeyKind
    public_id: str
    secret: str

    @property
    def secret_sha256(self) -> bytes:
        return hashlib.sha256(self.secret.encode()).digest()

    def reveal(self) -> str:
        """The whole key, for the single response that shows it."""
        head = f"mpk_{self.kind}_{self.public_id}_{self.secret}"
        return head + _check(head)

    def __repr__(self) -> str:
        return f"KeyText(mpk_{self.kind}_{self.public_id}_…)"


def kind_of(mode: Mode) -> KeyKind:
    return KeyKind.LIVE if mode is Mode.LIVE else KeyKind.TEST


def make_key(kind: KeyKind, choose: Choose) -> KeyText:
    return KeyText(
        kind=kind,
        public_id="".join(choose(_BASE32) for _ in range(_PUBLIC_LENGTH)),
        secret="".join(choose(_BASE62) for _ in range(_SECRET_LENGTH)),
    )


@lru_cache(maxsize=1024)
def parse_key(text: str) -> KeyText | None:
    """The parsed key; None for a text that cannot be one of this platform's keys, mistyped ones included.

    Cached, because a caller sends the same key with every request; whether the key is valid is checked each time.
    """
    found = _SHAPE.fullmatch(text)
    if found is None or _check(text[:-_CHECK_LENGTH]) != found[4]:
        return None
    return KeyText(kind=KeyKind(found[1]), public_id=found[2], secret=found[3])


def _check(head: str) -> str:
    number = zlib.crc32(head.encode())
    digits = []
    for _ in range(_CHECK_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        digits.append(_BASE62[digit])
    return "".join(reversed(digits))
