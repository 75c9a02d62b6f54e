"""Ours gives what the standard library gives."""

import hmac

from hypothesis import given
from hypothesis.strategies import binary

from messaging.adapters.crypto.keyring import Hmac


@given(key=binary(max_size=100), texts=binary(max_size=200))
def test_a_keyed_digest_can_be_asked_again_and_again(key: bytes, texts: bytes) -> None:
    keyed = Hmac(key)

    assert [keyed(texts), keyed(b"another"), keyed(texts)] == [
        hmac.digest(key, text, "sha256") for text in (texts, b"another", texts)
    ]
