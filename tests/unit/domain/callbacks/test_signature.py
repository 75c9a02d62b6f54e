"""Does the published library of receivers accept what we sign, and refuse what is not ours?"""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from messaging.domain.callbacks.signature import SECRET_BYTES, secret_key, secret_text, signature_headers

OLD, NEW = bytes(range(SECRET_BYTES)), bytes(range(SECRET_BYTES, 2 * SECRET_BYTES))
ID = "evt_01kb6w5vb4j8w1x2y4z5a7b9c3"
BODY = b'{"type":"message.delivered","timestamp":"2026-11-29T09:30:02.480Z","data":{"caf\xc3\xa9":"\\u2603"}}'


def now() -> datetime:
    """The library compares with the machine's clock."""
    return datetime.now(UTC)


def test_the_library_of_receivers_accepts_a_signature() -> None:
    headers = signature_headers([NEW], id=ID, at=now(), body=BODY)

    assert Webhook(secret_text(NEW)).verify(BODY, dict(headers))["type"] == "message.delivered"


@pytest.mark.parametrize("key", [OLD, NEW])
def test_within_an_overlap_a_receiver_needs_either_secret(key: bytes) -> None:
    headers = signature_headers([NEW, OLD], id=ID, at=now(), body=BODY)

    Webhook(secret_text(key)).verify(BODY, dict(headers))
    assert headers["webhook-signature"].count("v1,") == 2


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (BODY + b" ", {}),
        (BODY, {"webhook-id": "evt_another"}),
        (BODY, {"webhook-timestamp": "1"}),
    ],
)
def test_another_body_id_or_time_is_refused(body: bytes, changes: dict[str, str]) -> None:
    headers = signature_headers([NEW], id=ID, at=now(), body=BODY)

    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(NEW)).verify(body, {**headers, **changes})


def test_a_callback_that_was_recorded_is_refused_later() -> None:
    headers = signature_headers([NEW], id=ID, at=now() - timedelta(minutes=6), body=BODY)

    with pytest.raises(WebhookVerificationError):
        Webhook(secret_text(NEW)).verify(BODY, dict(headers))


def test_a_secret_is_read_back_as_it_was_shown() -> None:
    assert secret_key(secret_text(NEW)) == NEW
    for wrong in ("", "sk_" + secret_text(NEW), "whsec_?"):
        with pytest.raises(ValueError, match="a secret"):
            secret_key(wrong)
