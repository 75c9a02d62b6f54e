"""Does an API key look as promised, and is a damaged one refused without asking anybody?"""

import re
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.application.access.keys import KeyKind, kind_of, make_key, parse_key
from messaging.domain.shared.mode import Mode


@pytest.mark.parametrize("kind", list(KeyKind))
def test_a_key_survives_the_way_to_its_holder_and_back(kind: KeyKind) -> None:
    key = make_key(kind, secrets.choice)

    again = parse_key(key.reveal())

    assert again == key
    assert re.fullmatch(rf"mpk_{kind}_[a-z2-7]{{12}}_[0-9A-Za-z]{{38}}", key.reveal())


@given(position=st.integers(min_value=0, max_value=200), replacement=st.sampled_from("aZ0_-é"))
def test_one_wrong_character_is_noticed(position: int, replacement: str) -> None:
    text = make_key(KeyKind.LIVE, lambda alphabet: alphabet[7]).reveal()
    position %= len(text)

    damaged = text[:position] + replacement + text[position + 1 :]

    assert damaged == text or parse_key(damaged) is None


@pytest.mark.parametrize(
    "text", ["", "mpk_live_", "Bearer x", "mpk_root_" + "a" * 51, "mpk_live_aaaaaaaaaaaa_" + "٣" * 38]
)
def test_what_is_no_key_is_none(text: str) -> None:
    assert parse_key(text) is None


def test_the_checksum_covers_the_kind_so_a_test_key_cannot_be_passed_off_as_live() -> None:
    text = make_key(KeyKind.TEST, secrets.choice).reveal()

    assert parse_key(text.replace("mpk_test_", "mpk_live_")) is None


def test_a_keys_representation_hides_its_secret() -> None:
    key = make_key(KeyKind.ADMIN, secrets.choice)

    assert key.secret not in repr(key)


def test_two_keys_never_share_their_secret() -> None:
    assert make_key(KeyKind.LIVE, secrets.choice).secret != make_key(KeyKind.LIVE, secrets.choice).secret


def test_a_keys_kind_follows_from_its_mode() -> None:
    assert (kind_of(Mode.LIVE), kind_of(Mode.TEST)) == (KeyKind.LIVE, KeyKind.TEST)
