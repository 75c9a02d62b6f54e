"""Which texts are a person's address, and what does a refusal say?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.shared.address import Phone, ScopedUser, mask, parse_recipient
from messaging.domain.shared.errors import Violation


@pytest.mark.parametrize(
    "text",
    ["+14155552671", "+1 415 555 2671", "+1 (415) 555-2671", "+1.415.555.2671", "+1-415-555-2671"],
)
def test_common_ways_of_writing_a_number_are_read_as_one(text: str) -> None:
    assert parse_recipient(text) == Phone("+14155552671")


@pytest.mark.parametrize(
    "text", ["+4915123456789", "+5511987654321", "+2348012345678", "+861234567", "+123456789012345"]
)
def test_numbers_of_any_country_are_read(text: str) -> None:
    assert parse_recipient(text) == Phone(text)


@pytest.mark.parametrize("text", ["US.13491208655302741918", "DE.ENT.AbC123", "BR.x"])
def test_a_person_without_a_number_is_known_by_a_scoped_id(text: str) -> None:
    assert parse_recipient(text) == ScopedUser(text)


@pytest.mark.parametrize("text", ["4155552671", "14155552671", "0151 23456789", "(415) 555-2671"])
def test_a_missing_country_code_is_said_and_never_guessed(text: str) -> None:
    refusal = parse_recipient(text)

    assert isinstance(refusal, Violation)
    assert (refusal.pointer, refusal.code) == ("/to", "country_code_missing")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "+0123456789",
        "+123456",
        "+1234567890123456",
        "++14155552671",
        "+1415555267a",
        "ana@example.com",
        "us.13491208655302741918",
        "US.",
        "USA.1",
        "US.13 49",
        "US." + "1" * 129,
        "+14155552671\n",
        "+14155552671\x00",
        # Digits of other scripts look right to \d and to int(), and are not E.164.
        "+١٤١٥٥٥٥٢٦٧١",
        "+1415555267１",
        "+१४१५५५५२६७१",
        "１４１５５５５２６７１",
        "+1415\u200b5552671",
        "\u202e+14155552671",
    ],
)
def test_anything_else_is_no_recipient(text: str) -> None:
    refusal = parse_recipient(text)

    assert isinstance(refusal, Violation)
    assert (refusal.pointer, refusal.code) == ("/to", "recipient_invalid")


@given(text=st.text(max_size=40) | st.from_regex(r"\+[0-9 ()-]{5,20}", fullmatch=True))
def test_whatever_is_read_as_a_number_is_plain_e164(text: str) -> None:
    match parse_recipient(text):
        case Phone(value=value):
            assert value.isascii()
            assert value[0] == "+"
            assert value[1:].isdigit()
            assert 7 <= len(value) - 1 <= 15
        case ScopedUser(value=value):
            assert value == text
        case Violation(detail=detail):
            assert len(text) < 8 or text not in detail


@given(digits=st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_mask_hides_the_middle_of_a_number(digits: str) -> None:
    masked = mask(Phone(digits))

    assert masked != digits
    assert "***" in masked
    assert masked[:3] == digits[:3]


def test_a_mask_keeps_country_and_last_digits() -> None:
    assert mask(Phone("+14155550100")) == "+14*****0100"
