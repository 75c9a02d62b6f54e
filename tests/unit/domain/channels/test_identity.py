"""Numbers that mean one line are one identity, and numbers that do not are two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.channels.address import Phone, ScopedUser
from messaging.domain.channels.addresses.identity import identity, other_name, spellings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # Mexico before and after 2019, Argentina from home and from abroad, Brazil before and after the ninth digit.
        ("+5215512345678", "+525512345678"),
        ("+5491112345678", "+541112345678"),
        ("+5511987654321", "+551187654321"),
        ("+5531998765432", "+553198765432"),
    ],
)
def test_both_spellings_are_one_person(one: str, other: str) -> None:
    assert identity(one) == identity(other)
    assert set(spellings(one)) == set(spellings(other)) == {one, other}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # A landline of São Paulo got no ninth digit: with a 9 before it, it is somebody else's mobile.
        ("+551123456789", "+5511923456789"),
        ("+14155550100", "+1415555010"),
        ("+447700900123", "+4407700900123"),
        ("+525512345678", "+525512345679"),
        ("US.5215512345678", "+5215512345678"),
    ],
)
def test_different_people_stay_different(one: str, other: str) -> None:
    assert identity(one) != identity(other)


@given(address=st.from_regex(r"\+(52|54|55|1|44)[0-9]{6,12}", fullmatch=True))
def test_an_identity_is_its_own_identity_and_that_of_all_its_spellings(address: str) -> None:
    assert address in spellings(address)
    assert {identity(spelling) for spelling in spellings(address)} == {identity(address)}


@pytest.mark.parametrize(
    ("recipient", "named", "canonical"),
    [
        (Phone("+14155550109"), "1415550109", "+1415550109"),
        (Phone("+525512345678"), "525512345679", "+525512345679"),
        (ScopedUser("US.1349"), "14155550100", "+14155550100"),
        (ScopedUser("US.1349"), "5215512345678", "+525512345678"),
    ],
)
def test_a_provider_may_name_somebody_in_another_way(recipient: Phone | ScopedUser, named: str, canonical: str) -> None:
    assert other_name(recipient, named) == canonical


@pytest.mark.parametrize(
    ("recipient", "named"),
    [
        (Phone("+14155550100"), "14155550100"),
        (Phone("+14155550100"), "+14155550100"),
        (Phone("+525512345678"), "5215512345678"),
        (Phone("+5511987654321"), "551187654321"),
        (Phone("+14155550100"), "US.1349"),
        (Phone("+14155550100"), "nonsense"),
        (ScopedUser("US.1349"), "US.1349"),
        (ScopedUser("US.1349"), "US.ENT.118"),
    ],
)
def test_what_says_nothing_new_is_no_other_name(recipient: Phone | ScopedUser, named: str) -> None:
    assert other_name(recipient, named) is None
