"""Which texts are a person's address, and what does a refusal say?"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from messaging.domain.channels.address import (
    Channel,
    EmailAddress,
    Phone,
    Recipient,
    ScopedUser,
    mask,
    parse_provider_phone,
)
from messaging.domain.channels.table import parse_address
from messaging.domain.channels.table import parse_recipient as parse_recipient_of
from messaging.domain.shared.errors import Violation


def parse_recipient(text: str) -> Recipient | Violation:
    return parse_recipient_of(text, Channel.WHATSAPP)


@pytest.mark.parametrize(
    "text",
    [
        *("+14155552671", "+1 415 555 2671", "+1 (415) 555-2671", "+1.415.555.2671", "+1-415-555-2671"),
        *("tel:+1-415-555-2671", "TEL:+14155552671", "(+1) 415 555 2671", "+ 1 415 555 2671"),
        # A no-break space, a narrow one, a figure space; a non-breaking hyphen, an en dash, a minus sign.
        *("+1\u00a0415\u00a0555\u00a02671", "+1\u202f415\u2007555\u20092671", "\u00a0+14155552671\u00a0"),
        *("+1 415\u2011555\u20132671", "+1 415 555\u22122671"),
    ],
)
def test_common_ways_of_writing_a_number_are_read_as_one(text: str) -> None:
    assert parse_recipient(text) == Phone("+14155552671")


@pytest.mark.parametrize(
    "text", ["+4915123456789", "+5511987654321", "+2348012345678", "+861234567", "+491234567890123"]
)
def test_numbers_of_any_country_are_read(text: str) -> None:
    assert parse_recipient(text) == Phone(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+44 (0)7700 900123", "+447700900123"),
        ("+44 (0) 7700 900123", "+447700900123"),
        ("+44 ( 0 ) 20 7946 0999", "+442079460999"),
        ("+4407700900123", "+447700900123"),
        ("+49 (0)171 5550100", "+491715550100"),
        ("+49\u00a0(0)171\u00a05550100", "+491715550100"),
        ("+36 06 30 123 4567", "+36301234567"),
        ("+54 (0)11 15-1234-5678", "+5491112345678"),
        ("+54 11 15-1234-5678", "+5491112345678"),
        # Italy dials its zero from abroad too, and so do San Marino and Côte d'Ivoire.
        ("+39 06 12345678", "+390612345678"),
        ("+39 (0)6 12345678", "+390612345678"),
        ("+378 0549 886377", "+3780549886377"),
        ("+225 07 07 12 34 56", "+2250707123456"),
        ("+225 (0)7 07 12 34 56", "+2250707123456"),
        # Both ways of writing a mobile number of Mexico and Argentina stay as they are.
        *((number, number) for number in ("+5215512345678", "+525512345678", "+5491112345678", "+541112345678")),
        *((number, number) for number in ("+5511987654321", "+551187654321")),
    ],
)
def test_a_prefix_for_calls_within_the_country_is_left_out_where_the_country_leaves_it_out(
    text: str, number: str
) -> None:
    assert parse_recipient(text) == Phone(number)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("+999123456789", "No country has the code"),
        ("+210123456789", "No country has the code"),
        ("+0123456789", "No country code begins with 0"),
        ("+0044 7700 900123", "No country code begins with 0"),
        ("+1415555267", "too short: numbers of +1 have 10 digits after +1"),
        ("+141555526711", "too long: numbers of +1 have 10 digits after +1"),
        ("+1 555 0100", "lacks its area code"),
        ("+1 (0) 415 555 2671", "too long"),
        ("+3361234567", "too short: numbers of +33"),
        ("+123456", "7 to 15 digits"),
        ("+1234567890123456", "7 to 15 digits"),
        # Luxembourg has no trunk prefix, and numbers of many lengths: with the zero this would be another's.
        ("+352 (0) 621 123 456", "no (0) after the country code"),
        ("+1 1 415 555 2671", "dialled only inside the country"),
        ("+7 8 912 345 67 89", "dialled only inside the country"),
        ("+375 80 29 123 45 67", "dialled only inside the country"),
        ("+1415\u200b5552671", "U+200B ZERO WIDTH SPACE"),
        ("\u202e+14155552671", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("\ufeff+14155552671", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("+14155552671\n", "U+000A a control character"),
        ("+1415555267１", "U+FF11 FULLWIDTH DIGIT ONE"),
        ("tel:+14155552671;ext=12", "Not a phone number"),
    ],
)
def test_a_number_that_cannot_exist_is_refused_with_the_reason(text: str, reason: str) -> None:
    refusal = parse_recipient(text)

    assert isinstance(refusal, Violation)
    assert (refusal.pointer, refusal.code) == ("/to", "recipient_invalid")
    assert reason in refusal.detail


# Read as +98 7654321 in Iran, +1 658 123 4567 in Jamaica and +1 658 123 4567 again, the first would have reached a
# stranger: it is a number of São Paulo, the second and third are dialled in Hong Kong and in Australia.
@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("011 98765-4321", "011"),
        ("001 65 8123 4567", "00"),
        ("0011 65 8123 4567", "00"),
        ("tel:0044 7700 900123", "00"),
    ],
)
def test_a_prefix_for_calls_abroad_is_named_and_never_guessed(text: str, prefix: str) -> None:
    refusal = parse_recipient(text)

    assert isinstance(refusal, Violation)
    assert refusal.code == "country_code_missing"
    assert f"begins with {prefix}, " in refusal.detail


@pytest.mark.parametrize("number", [f"+1415555{last:04}" for last in range(100, 200)])
def test_the_sandboxes_numbers_exist(number: str) -> None:
    assert parse_recipient(number) == Phone(number)


@pytest.mark.parametrize("text", ["12345678901", "+12345678901", "5215512345678", "+99912345678"])
def test_a_providers_number_is_taken_as_it_comes(text: str) -> None:
    assert parse_provider_phone(text) == Phone("+" + text.removeprefix("+"))


@pytest.mark.parametrize("text", ["", "bla", "123456", "US.1349", "+", "0123456789"])
def test_what_is_no_number_is_none_of_a_providers(text: str) -> None:
    assert parse_provider_phone(text) is None


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
@example(text="+4900000")
def test_whatever_is_read_as_a_number_is_plain_e164(text: str) -> None:
    match parse_recipient(text):
        case Phone(value=value):
            assert value.isascii()
            assert value[0] == "+"
            assert value[1:].isdigit()
            assert 7 <= len(value) - 1 <= 15
        case ScopedUser(value=value) | EmailAddress(value=value):
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


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("tel:tel:+14155552671", "Not a phone number"),
        ("++14155552671", "Not a phone number"),
        ("+1415555~2671", "Not a phone number"),
        ("+1415\u200b5552671", "U+200B ZERO WIDTH SPACE"),
        ("+0123456789", "begins with 0"),
        ("+123456", "7 to 15 digits"),
    ],
)
def test_what_is_wrong_with_an_address_is_told(text: str, detail: str) -> None:
    refusal = parse_recipient(text)

    assert isinstance(refusal, Violation)
    assert detail in refusal.detail


def test_a_mask_of_the_shortest_number_hides_three_digits_and_no_more() -> None:
    assert mask(Phone("+1234567")) == "+12***4567"


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("ana.silva@example.com", "an***@example.com"),
        ("ana@example.com", "a***@example.com"),
        ("a@example.com", "***@example.com"),
        ('"a@b"@example.com', '"***@example.com'),
    ],
)
def test_a_mask_of_an_email_address_keeps_its_domain_and_little_else(address: str, masked: str) -> None:
    assert mask(EmailAddress(address)) == masked


# --- the channel decides which kinds of addresses are read ------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "text", "takes_it"),
    [
        (Channel.EMAIL, "+14155552671", "whatsapp or sms"),
        (Channel.EMAIL, "+1 (415) 555-2671", "whatsapp or sms"),
        (Channel.EMAIL, "(415) 555-2671", "whatsapp or sms"),
        (Channel.EMAIL, "US.13491208655302741918", "whatsapp"),
        (Channel.SMS, "US.13491208655302741918", "whatsapp"),
        (Channel.SMS, "ana@example.com", "email"),
        (Channel.WHATSAPP, "ana@b\u00fccher.example", "email"),
    ],
)
def test_an_address_that_another_channel_reaches_is_refused_and_the_other_named(
    channel: Channel, text: str, takes_it: str
) -> None:
    refusal = parse_recipient_of(text, channel)

    assert isinstance(refusal, Violation)
    assert (refusal.pointer, refusal.code) == ("/to", "recipient_channel_mismatch")
    assert f"which the channel {takes_it} takes" in refusal.detail


@pytest.mark.parametrize(
    ("channel", "text", "reason"),
    [
        (Channel.EMAIL, "nobody", "Not an e-mail address (ana@example.com)."),
        (Channel.SMS, "nobody", "Not a phone number in E.164 form (+14155550100)."),
        (Channel.WHATSAPP, "nobody", "nor a business-scoped user id"),
        (Channel.WHATSAPP, "ana@", "nor a business-scoped user id"),
    ],
)
def test_a_text_that_no_channel_reaches_is_measured_by_its_own(channel: Channel, text: str, reason: str) -> None:
    refusal = parse_recipient_of(text, channel)

    assert isinstance(refusal, Violation)
    assert refusal.code == "recipient_invalid"
    assert reason in refusal.detail


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("+1 415 555 2671", Phone("+14155552671")),
        ("US.1349", ScopedUser("US.1349")),
        ("Ana@Example.COM", EmailAddress("Ana@example.com")),
    ],
)
def test_where_no_channel_is_named_an_address_of_any_kind_is_read(text: str, read: Recipient) -> None:
    assert parse_address(text) == read


def test_a_text_that_is_no_address_of_any_kind_is_told_all_kinds() -> None:
    refusal = parse_address("nobody")

    assert isinstance(refusal, Violation)
    assert all(kind in refusal.detail for kind in ("phone number", "user id", "e-mail address"))
