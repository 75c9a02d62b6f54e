"""Are public ids the TypeIDs of the specification, and is anything else refused?"""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.shared.ids import Prefix, decode_uuid, encode_uuid, parse_typeid, typeid

# The specification's own examples (typeid spec 0.3, valid.yml and invalid.yml).
VALID = [
    ("00000000000000000000000000", "00000000-0000-0000-0000-000000000000"),
    ("00000000000000000000000001", "00000000-0000-0000-0000-000000000001"),
    ("0000000000000000000000000a", "00000000-0000-0000-0000-00000000000a"),
    ("0000000000000000000000000g", "00000000-0000-0000-0000-000000000010"),
    ("00000000000000000000000010", "00000000-0000-0000-0000-000000000020"),
    ("7zzzzzzzzzzzzzzzzzzzzzzzzz", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
    ("0123456789abcdefghjkmnpqrs", "0110c853-1d09-52d8-d73e-1194e95b5f19"),
    ("01h455vb4pex5vsknk084sn02q", "01890a5d-ac96-774b-bcce-b302099a8057"),
]
INVALID = {
    "overflows 128 bits": "8zzzzzzzzzzzzzzzzzzzzzzzzz",
    "upper case": "0123456789ABCDEFGHJKMNPQRS",
    "too short": "1234567890123456789012345",
    "too long": "123456789012345678901234567",
    "spaces": "1234567890123456789012345 ",
    "a letter Crockford leaves out": "0123456789abcdefghjkmnpqru",
    "an ambiguous letter": "ooooooiiiiiiuuuuuuulllllll",
    "hyphens": "123456789-0123456789-01234",
    "empty": "",
    "digits of another script": "\u0660123456789abcdefghjkmnpq",
}


@pytest.mark.parametrize(("text", "value"), VALID)
def test_ids_are_spelt_as_the_specification_spells_them(text: str, value: str) -> None:
    assert encode_uuid(UUID(value)) == text
    assert decode_uuid(text) == UUID(value)


@pytest.mark.parametrize("text", INVALID.values(), ids=INVALID.keys())
def test_what_the_specification_refuses_is_no_id(text: str) -> None:
    assert decode_uuid(text) is None


@given(value=st.uuids(), prefix=st.sampled_from(list(Prefix)))
def test_an_id_survives_the_way_out_and_in(value: UUID, prefix: Prefix) -> None:
    assert parse_typeid(prefix, typeid(prefix, value)) == value


@given(one=st.uuids(), other=st.uuids())
def test_ids_sort_as_their_uuids_do(one: UUID, other: UUID) -> None:
    assert (typeid(Prefix.MESSAGE, one) < typeid(Prefix.MESSAGE, other)) == (one < other)


@given(text=st.text(max_size=40))
def test_no_text_is_read_as_an_id_that_is_not_spelt_exactly_so(text: str) -> None:
    value = parse_typeid(Prefix.MESSAGE, text)

    assert value is None or typeid(Prefix.MESSAGE, value) == text


def test_an_id_of_another_kind_is_not_accepted() -> None:
    assert parse_typeid(Prefix.MESSAGE, "ten_01h455vb4pex5vsknk084sn02q") is None
    assert parse_typeid(Prefix.MESSAGE, "01h455vb4pex5vsknk084sn02q") is None
    assert parse_typeid(Prefix.MESSAGE, "xmsg_01h455vb4pex5vsknk084sn02q") is None
