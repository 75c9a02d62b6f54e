"""Checks whether a country's numbering plan can hold a phone number, and finds prefixes used only inside the country.

Numbers are judged by their length and prefixes, not by whether their range has been assigned: new ranges are opened
every month, and refusing a number that exists is worse than sending one that the provider refuses.
"""

import re
from functools import cache
from typing import Final, NamedTuple

import phonenumbers
from msgspec import Struct
from phonenumbers import PhoneMetadata, ValidationResult

_LONGEST_CODE: Final = 3
_CODES: Final = frozenset(map(str, phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
# Mexican mobile numbers had a 1 before their ten digits until 2019, and some providers still write them so.
_MEXICAN_MOBILE: Final = re.compile(r"\+521[0-9]{10}")
# Argentinian mobile numbers are dialled with a 15 inside the country and a 9 from abroad, which acts like a trunk
# prefix.
_REWRITTEN: Final = frozenset({54})
_UNKNOWN_CODE: Final = "No country has the code that stands after '+'. Correct the digits after '+'."


class NumberFlaw(Struct, frozen=True):
    """A reason why a number cannot exist; `detail` shows no more of the number than its country code."""

    detail: str


class _Plan(NamedTuple):
    """Lengths of the number after the country code, and the prefixes that may stand before it inside the country."""

    lengths: frozenset[int]
    prefix: re.Pattern[str] | None


def read_number(number: str, *, zero_in_brackets: bool = False) -> str | NumberFlaw:
    """`number` is '+' and digits; the answer is the number as dialled from abroad.

    `zero_in_brackets` says that it was written with a (0), which most countries leave out from abroad and some do not.
    """
    if _is_plain(number) and not zero_in_brackets:
        return number
    if _MEXICAN_MOBILE.fullmatch(number):
        return number
    return _looked_up(number, zero_in_brackets=zero_in_brackets)


def calling_code(number: str) -> str | None:
    """The country code of '+' and digits, such as 44; None if no country has it."""
    for length in range(2, _LONGEST_CODE + 2):
        if (code := number[1:length]) in _CODES:
            return code
    return None


def _is_plain(number: str) -> bool:
    """Whether the number has a possible length and no possible prefix, as nearly all numbers do. Takes about 1 µs."""
    code = calling_code(number)
    if code is None:
        return False
    plan, national = _plan(code), number[len(code) + 1 :]
    if len(national) not in plan.lengths:
        return False
    return plan.prefix is None or not ((found := plan.prefix.match(national)) and found.end())


@cache
def _plan(code: str) -> _Plan:
    # Of several countries with one code, as in North America, the first is the one whose lengths hold for all.
    region = phonenumbers.COUNTRY_CODE_TO_REGION_CODE[int(code)][0]
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), region)
    assert metadata is not None
    assert metadata.general_desc is not None
    prefix = metadata.national_prefix_for_parsing
    return _Plan(frozenset(metadata.general_desc.possible_length), re.compile(prefix) if prefix else None)


def _looked_up(number: str, *, zero_in_brackets: bool) -> str | NumberFlaw:
    """The library's reading, if only a trunk prefix makes it differ. Takes about 0.1 ms."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException as error:
        unknown = error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE
        return NumberFlaw(_UNKNOWN_CODE if unknown else "It is too short or too long for a phone number.")
    code = parsed.country_code
    assert code is not None
    flaw = _length_flaw(code, phonenumbers.is_possible_number_with_reason(parsed))
    if flaw is not None:
        return flaw
    national, read = number[len(str(code)) + 1 :], phonenumbers.national_significant_number(parsed)
    if read != national and not national.startswith("0") and code not in _REWRITTEN:
        detail = f"It holds a prefix that is dialled only inside the country of +{code}. Leave the prefix out."
        return NumberFlaw(detail)
    if zero_in_brackets and read == national and not phonenumbers.is_valid_number(parsed):
        detail = f"Numbers of +{code} have no (0) after the country code. Leave it out."
        return NumberFlaw(detail)
    return f"+{code}{read}"


def _length_flaw(code: int, reason: int) -> NumberFlaw | None:
    match reason:
        case ValidationResult.IS_POSSIBLE:
            return None
        case ValidationResult.INVALID_COUNTRY_CODE:
            return NumberFlaw(_UNKNOWN_CODE)
        case ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
            what = "It lacks its area code"
        case ValidationResult.TOO_SHORT:
            what = "It is too short"
        case ValidationResult.TOO_LONG:
            what = "It is too long"
        case _:
            what = "No number has its length"
    return NumberFlaw(f"{what}: numbers of +{code} have {_spelled(_plan(str(code)).lengths)} digits after +{code}.")


def _spelled(lengths: frozenset[int]) -> str:
    """Lengths as text: `10`, `7, 9 or 10`, `4 to 11`."""
    ordered = sorted(lengths)
    if len(ordered) > 2 and ordered[-1] - ordered[0] == len(ordered) - 1:
        return f"{ordered[0]} to {ordered[-1]}"
    *rest, last = map(str, ordered)
    return f"{', '.join(rest)} or {last}" if rest else last
