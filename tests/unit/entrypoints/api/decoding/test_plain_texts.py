"""Refusals speak of texts and numbers, not of the decoder's types."""

from typing import Any

import pytest

from messaging.entrypoints.api.decoding.shape import shape_violations
from messaging.entrypoints.api.v1.accounts.senders import AddSenderBody, ReplaceRulesBody
from messaging.entrypoints.api.v1.messages.messages import MessagesQuery
from messaging.entrypoints.api.v1.messages.submitting import BatchBody, SubmitBody

GOOD: dict[str, Any] = {"to": "+14155550100", "channel": "whatsapp", "content": {"type": "text", "body": "Hi"}}
SENDER = {"account_id": "acc_1", "channel": "whatsapp", "external_id": "1", "address": "+1", "name": "x"}


@pytest.mark.parametrize(
    "value, shape, detail",
    [
        (GOOD | {"to": 5}, SubmitBody, "Give a text, not a whole number."),
        (GOOD | {"to": ""}, SubmitBody, "Give at least 1 characters."),
        (GOOD | {"metadata": []}, SubmitBody, "Give an object, not a list."),
        (GOOD | {"reference": 3}, SubmitBody, "Give a text or null, not a whole number."),
        (GOOD | {"send_at": "2026-11-20T12:00:00"}, SubmitBody, "Write an instant as RFC 3339 has it"),
        (GOOD | {"send_at": "tomorrow"}, SubmitBody, "Write an instant as RFC 3339 has it"),
        (SENDER | {"per_second": 0}, AddSenderBody, "Give at least 1."),
        (SENDER | {"rank": "1"}, AddSenderBody, "Give a whole number, not a text."),
        ({"messages": []}, BatchBody, "Give at least 1 items."),
        ({"rules": [{"channel": "sms", "sender_id": "s", "prefixes": ["55"]}]}, ReplaceRulesBody, "This is not spelt"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(value: object, shape: Any, detail: str) -> None:
    (violation,) = shape_violations(value, shape)

    assert violation.detail.startswith(detail)


@pytest.mark.parametrize("instant", [3, "x", [], "2026-01-01T00:00:00"])
def test_no_text_names_a_type_of_the_decoder(instant: object) -> None:
    texts = [violation.detail for violation in shape_violations(GOOD | {"send_at": instant}, SubmitBody)]

    assert texts
    assert not [text for text in texts if "`" in text or "datetime" in text]


def test_a_misspelt_field_is_told_which_was_meant() -> None:
    (violation,) = shape_violations(GOOD | {"prioriti": "high"}, SubmitBody)

    assert violation.detail == "There is no such field. Did you mean priority?"


def test_a_field_like_no_other_is_not_guessed_at() -> None:
    (violation,) = shape_violations({"colour": "1"}, MessagesQuery)

    assert "Did you mean" not in violation.detail


def test_thousands_of_unknown_fields_are_not_compared_with_every_name() -> None:
    body = GOOD | {f"prioritx{number}": number for number in range(90)}

    advised = [violation for violation in shape_violations(body, SubmitBody) if "Did you mean" in violation.detail]

    assert 0 < len(advised) <= 5
