"""The addresses that undeliverable mail returns to."""

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.adapters.providers.smtp.bounces.return_path import (
    VALID_FOR,
    has_expired,
    read_return_address,
    return_address,
)
from messaging.domain.messages import reference
from messaging.domain.shared.ids import AccountId, MessageId
from tests.builders import NOON


def uuid7_at(at: datetime) -> UUID:
    return UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | 0x1234_5678_9ABC)


ACCOUNT = AccountId(uuid7_at(NOON))


def tag(_: str) -> str:
    return "abcd2345"


def a_reference(epoch: int = 1) -> str:
    return reference.write(MessageId(uuid7_at(NOON)), epoch, tag)


@given(epoch=st.integers(min_value=1, max_value=36**4 - 1))
def test_an_address_gives_back_what_it_was_made_of_in_any_case(epoch: int) -> None:
    made = return_address(ACCOUNT, a_reference(epoch), "bounces.example.com")

    assert made is not None
    assert len(made.partition("@")[0]) <= 64
    for spelled in (made, made.upper()):
        read = read_return_address(spelled)
        assert read is not None
        assert (read.account_id, read.reference) == (ACCOUNT, a_reference(epoch))


def test_an_attempt_beyond_all_counting_has_no_address() -> None:
    assert return_address(ACCOUNT, a_reference(36**4), "bounces.example.com") is None
    assert return_address(ACCOUNT, "somebody else's", "bounces.example.com") is None


@pytest.mark.parametrize("local", ["", "postmaster", "z" * 61, "7" * 61, "0" * 60, "0" * 65, "é" * 61])
def test_other_addresses_are_not_read(local: str) -> None:
    assert read_return_address(f"{local}@bounces.example.com") is None


def test_an_address_expires_after_the_message_can_still_be_on_its_way() -> None:
    made = return_address(ACCOUNT, a_reference(), "bounces.example.com")
    assert made is not None
    read = read_return_address(made)
    assert read is not None

    assert not has_expired(read, now=NOON + VALID_FOR - timedelta(hours=1))
    assert has_expired(read, now=NOON + VALID_FOR + timedelta(hours=1))
