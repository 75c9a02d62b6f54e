"""Do the ways to verify a callback that docs/callbacks.md shows accept ours and refuse others'?"""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from messaging.domain.callbacks.signature import SECRET_BYTES, secret_text, signature_headers

PAGE = Path(__file__).resolve().parents[3] / "docs/callbacks.md"
KEY, OTHER = bytes(SECRET_BYTES), bytes(range(SECRET_BYTES))
BODY = b'{"type":"message.delivered","timestamp":"2026-11-29T09:30:02.480Z","data":{}}'


def shown() -> dict[str, Any]:
    """What the Python examples of the page define."""
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL):
        exec(example, names)
    return names


def headers(*keys: bytes, at: datetime | None = None) -> dict[str, str]:
    return dict(signature_headers(keys, id="evt_01k", at=at or datetime.now(UTC), body=BODY))


def test_both_ways_accept_a_callback_of_ours() -> None:
    receive, is_ours = shown()["receive"], shown()["is_ours"]

    assert receive(secret_text(KEY), BODY, headers(KEY)) == "message.delivered"
    assert is_ours(secret_text(KEY), BODY, headers(KEY))
    assert is_ours(secret_text(KEY), BODY, headers(OTHER, KEY))


def test_both_ways_refuse_what_is_not_ours_or_old() -> None:
    receive, is_ours = shown()["receive"], shown()["is_ours"]
    old = datetime.now(UTC) - timedelta(minutes=6)

    for body, given in ((BODY, headers(OTHER)), (BODY + b" ", headers(KEY)), (BODY, headers(KEY, at=old))):
        assert receive(secret_text(KEY), body, given) == "refuse with 400"
        assert not is_ours(secret_text(KEY), body, given)
