"""Signatures of callbacks by Standard Webhooks (https://www.standardwebhooks.com, version 1).

What is signed is `<webhook-id>.<webhook-timestamp>.<body>`, by HMAC-SHA256, once with each secret that is live. A
receiver accepts a callback if one of the signatures is right, so both sides can change the secret without a gap. Ids
hold no dot, so nothing else can be read out of the signed text.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"

_PREFIX: Final = "whsec_"
_VERSION: Final = "v1"
# Bytes of randomness; the specification asks for 24 to 64.
SECRET_BYTES: Final = 32


def secret_text(key: bytes) -> str:
    """A secret as its tenant sees it: `whsec_` and base64."""
    return _PREFIX + base64.b64encode(key).decode()


def secret_key(text: str) -> bytes:
    """The key behind a secret. Raises ValueError for what `secret_text` did not write."""
    if not text.startswith(_PREFIX):
        raise ValueError(f"a secret starts with {_PREFIX}")
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a secret is base64 after its prefix") from error


def signature_headers(keys: Iterable[bytes], *, id: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """The three headers of one attempt; `keys` are the live secrets' keys, newest first, and `at` is now."""
    timestamp = str(int(at.timestamp()))
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return {
        ID_HEADER: id,
        TIMESTAMP_HEADER: timestamp,
        SIGNATURE_HEADER: " ".join(f"{_VERSION},{_mac(key, signed)}" for key in keys),
    }


def _mac(key: bytes, signed: bytes) -> str:
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
