"""The quick look at a number says what the library says, only sooner."""

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.channels.addresses.numbering import NumberFlaw, calling_code, read_number

CODES = sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE)
NUMBERS = st.builds(
    "+{}{}".format, st.sampled_from(CODES), st.text("0123456789", min_size=3, max_size=14)
) | st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)


def is_whole(number: phonenumbers.PhoneNumber) -> bool:
    """Possible, and not only for those who dial within one area."""
    return phonenumbers.is_possible_number_with_reason(number) == phonenumbers.ValidationResult.IS_POSSIBLE


@given(number=NUMBERS)
def test_whatever_is_read_is_possible_and_differs_by_a_trunk_prefix_at_most(number: str) -> None:
    read = read_number(number)

    if isinstance(read, NumberFlaw):
        assert read.detail.endswith(".")
    elif not read.startswith("+521"):
        assert is_whole(phonenumbers.parse(number))
        assert read == phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.E164)


@given(number=NUMBERS)
def test_a_number_that_the_library_finds_possible_as_it_stands_is_not_refused(number: str) -> None:
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return
    as_it_stands = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number

    if as_it_stands and is_whole(parsed):
        assert read_number(number) == number


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_countrys_own_example_is_read_as_it_is(region: str) -> None:
    for kind in (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE):
        if (example := phonenumbers.example_number_for_type(region, kind)) is not None:
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            assert read_number(number) == number


@pytest.mark.parametrize(
    ("number", "code"), [("+14155550100", "1"), ("+447700900123", "44"), ("+351912345678", "351"), ("+9991", None)]
)
def test_a_country_code_is_read_off_the_number(number: str, code: str | None) -> None:
    assert calling_code(number) == code


@pytest.mark.parametrize(
    ("number", "lengths"),
    [("+112", "10"), ("+3212", "8 or 9"), ("+2012", "8 to 10"), ("+4412", "7, 9 or 10"), ("+712", "10 or 14")],
)
def test_a_number_of_a_wrong_length_is_told_which_its_country_has(number: str, lengths: str) -> None:
    read = read_number(number)

    assert isinstance(read, NumberFlaw)
    assert f" have {lengths} digits after " in read.detail
