"""HMAC-SHA256 with the key set up once, for keys that are used many times."""

import hmac


class Hmac:
    """HMAC-SHA256 (RFC 2104) with one key. Setting up a key takes longer than digesting a short text with it."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")

    def __call__(self, text: bytes) -> bytes:
        digest = self._keyed.copy()
        digest.update(text)
        return digest.digest()
