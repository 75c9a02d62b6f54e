"""HMAC-SHA256 with the key set up once, for keys that are used many times."""

import hmac


class Hmac:
    """One key's HMAC-SHA256 (RFC 2104). To set up a key takes longer than to digest a short text with it."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")

    def __call__(self, text: bytes) -> bytes:
        digest = self._keyed.copy()
        digest.update(text)
        return digest.digest()
