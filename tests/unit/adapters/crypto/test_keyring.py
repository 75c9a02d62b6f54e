"""Does a ciphertext open in exactly one place, under exactly one key?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from messaging.adapters.crypto.keyring import AesKeyRing, AesTenantCipher
from messaging.application.ports.platform import WrappedKey
from messaging.application.ports.secrets import CannotDecrypt, KeyRing, TenantCipher
from tests.builders import OTHER_TENANT, TENANT

MASTER = bytes(range(32))
ROW = "messages.contents:msg_01kqs2rtzze009qmw000000031"
PLAINTEXT = b"Hello Ana, your order A-1042 has shipped today."
DIGEST = bytes(range(32))


def ring(master: bytes = MASTER) -> AesKeyRing:
    return AesKeyRing(master)


def a_cipher(keys: AesKeyRing | None = None) -> AesTenantCipher:
    keys = keys or ring()
    return keys.cipher(TENANT, [keys.new_data_key(TENANT)])


def test_what_was_sealed_opens_in_its_place() -> None:
    cipher = a_cipher()

    sealed = cipher.seal(ROW, PLAINTEXT)

    assert cipher.open(ROW, sealed) == PLAINTEXT
    assert PLAINTEXT not in sealed


@given(plaintext=st.binary(max_size=2000), context=st.text(st.characters(codec="utf-8"), min_size=1, max_size=80))
def test_anything_survives_the_round_trip(plaintext: bytes, context: str) -> None:
    cipher = a_cipher()

    assert cipher.open(context, cipher.seal(context, plaintext)) == plaintext


def test_a_data_key_opens_in_another_process_that_has_the_same_master_key() -> None:
    stored = ring().new_data_key(TENANT)
    sealed = ring().cipher(TENANT, [stored]).seal(ROW, PLAINTEXT)

    assert ring().cipher(TENANT, [stored]).open(ROW, sealed) == PLAINTEXT


@pytest.mark.parametrize(
    "elsewhere",
    [
        "messages.contents:msg_01kqs2rtzze009qmw000000032",
        "raw_webhooks.payload:msg_01kqs2rtzze009qmw000000031",
        ROW + " ",
        "",
    ],
)
def test_a_ciphertext_swapped_to_another_row_or_column_does_not_open(elsewhere: str) -> None:
    cipher = a_cipher()
    sealed = cipher.seal(ROW, PLAINTEXT)

    with pytest.raises(CannotDecrypt):
        cipher.open(elsewhere, sealed)


def test_a_ciphertext_swapped_to_another_tenant_does_not_open() -> None:
    keys = ring()
    sealed = keys.cipher(TENANT, [keys.new_data_key(TENANT)]).seal(ROW, PLAINTEXT)
    other = keys.cipher(OTHER_TENANT, [keys.new_data_key(OTHER_TENANT)])

    with pytest.raises(CannotDecrypt):
        other.open(ROW, sealed)


def test_a_ciphertext_does_not_open_for_another_tenant_even_under_the_very_same_data_key() -> None:
    data_keys = {1: bytes(32)}
    sealed = AesTenantCipher("ten_a", data_keys).seal(ROW, PLAINTEXT)

    with pytest.raises(CannotDecrypt):
        AesTenantCipher("ten_b", data_keys).open(ROW, sealed)


def test_a_data_key_swapped_to_another_tenant_does_not_unwrap() -> None:
    keys = ring()
    stolen = replace(keys.new_data_key(TENANT), tenant_id=OTHER_TENANT)

    with pytest.raises(CannotDecrypt):
        keys.cipher(OTHER_TENANT, [stolen])


def test_a_data_key_under_another_version_does_not_unwrap() -> None:
    keys = ring()

    with pytest.raises(CannotDecrypt):
        keys.cipher(TENANT, [replace(keys.new_data_key(TENANT), version=2)])


def test_a_wrong_master_key_opens_nothing() -> None:
    stored = ring().new_data_key(TENANT)

    with pytest.raises(CannotDecrypt):
        ring(bytes(32)).cipher(TENANT, [stored])


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_master_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        AesKeyRing(bytes(length))


def test_no_bit_of_a_ciphertext_can_be_flipped_unnoticed() -> None:
    cipher = a_cipher()
    sealed = cipher.seal(ROW, PLAINTEXT)

    for position in range(len(sealed) * 8):
        flipped = bytearray(sealed)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(CannotDecrypt):
            cipher.open(ROW, bytes(flipped))


def test_no_bit_of_a_wrapped_key_can_be_flipped_unnoticed() -> None:
    keys = ring()
    stored = keys.new_data_key(TENANT)

    for position in range(len(stored.wrapped) * 8):
        flipped = bytearray(stored.wrapped)
        flipped[position // 8] ^= 1 << position % 8
        with pytest.raises(CannotDecrypt):
            keys.cipher(TENANT, [replace(stored, wrapped=bytes(flipped))])


def test_a_truncated_ciphertext_does_not_open_at_any_length() -> None:
    cipher = a_cipher()
    sealed = cipher.seal(ROW, PLAINTEXT)

    for length in range(len(sealed)):
        with pytest.raises(CannotDecrypt):
            cipher.open(ROW, sealed[:length])


def test_the_same_plaintext_never_gives_the_same_ciphertext() -> None:
    cipher = a_cipher()

    sealed = {cipher.seal(ROW, PLAINTEXT) for _ in range(1000)}
    nonces = {ciphertext[5:17] for ciphertext in sealed}

    assert len(sealed) == len(nonces) == 1000


def test_every_data_key_is_another_one() -> None:
    keys = ring()
    one, other = (keys.cipher(TENANT, [keys.new_data_key(TENANT)]) for _ in range(2))

    with pytest.raises(CannotDecrypt):
        other.open(ROW, one.seal(ROW, PLAINTEXT))


def test_after_a_rotation_the_new_key_seals_and_both_open() -> None:
    keys = ring()
    first, second = keys.new_data_key(TENANT), keys.new_data_key(TENANT, version=2)
    before = keys.cipher(TENANT, [first])
    old = before.seal(ROW, PLAINTEXT)

    after = keys.cipher(TENANT, [first, second])
    new = after.seal(ROW, PLAINTEXT)

    assert after.open(ROW, old) == after.open(ROW, new) == PLAINTEXT
    with pytest.raises(CannotDecrypt):
        before.open(ROW, new)


def test_blind_indexes_tags_and_fingerprints_outlive_a_rotation() -> None:
    keys = ring()
    first, second = keys.new_data_key(TENANT), keys.new_data_key(TENANT, version=2)
    before, after = keys.cipher(TENANT, [first]), keys.cipher(TENANT, [second, first])

    assert after.blind_index("+14155552671") == before.blind_index("+14155552671")
    assert after.tag("v1.x.1") == before.tag("v1.x.1")
    assert after.fingerprint(DIGEST) == before.fingerprint(DIGEST)


def test_a_fingerprint_depends_on_the_key_and_is_longer_than_a_plain_digest() -> None:
    keys, others = ring(), ring(bytes(32))
    mine, theirs = (keys.cipher(tenant, [keys.new_data_key(tenant)]) for tenant in (TENANT, OTHER_TENANT))
    holders: tuple[TenantCipher | KeyRing, ...] = (mine, theirs, keys, others)
    fingerprints = [holder.fingerprint(DIGEST) for holder in holders]

    assert len(set(fingerprints)) == 4
    assert {len(fingerprint) for fingerprint in fingerprints} == {len(DIGEST) + 1}
    assert keys.fingerprint(DIGEST) == keys.fingerprint(DIGEST) != keys.fingerprint(bytes(32))


def test_a_tenant_without_data_keys_cannot_be_served() -> None:
    with pytest.raises(CannotDecrypt):
        ring().cipher(TENANT, [])


def test_a_blind_index_is_equal_for_equal_values_and_differs_between_tenants() -> None:
    keys = ring()
    cipher = keys.cipher(TENANT, [keys.new_data_key(TENANT)])
    other = keys.cipher(OTHER_TENANT, [keys.new_data_key(OTHER_TENANT)])

    index = cipher.blind_index("+14155552671")

    assert len(index) == 32
    assert index == cipher.blind_index("+14155552671")
    assert index != cipher.blind_index("+14155552672")
    assert index != other.blind_index("+14155552671")


def test_a_tag_is_eight_characters_that_another_tenant_cannot_write() -> None:
    keys = ring()
    cipher = keys.cipher(TENANT, [keys.new_data_key(TENANT)])
    other = keys.cipher(OTHER_TENANT, [keys.new_data_key(OTHER_TENANT)])

    tag = cipher.tag("v1.01kqs2rtzze009qmw000000031.1")

    assert len(tag) == 8
    assert tag.isascii()
    assert tag.isalnum()
    assert tag != other.tag("v1.01kqs2rtzze009qmw000000031.1")
    assert tag != cipher.tag("v1.01kqs2rtzze009qmw000000031.2")


def test_a_signature_depends_on_the_master_key_and_on_every_character() -> None:
    signature = ring().sign("cursor:ten_1:msg_1")

    assert signature == ring().sign("cursor:ten_1:msg_1")
    assert signature != ring().sign("cursor:ten_1:msg_2")
    assert signature != ring(bytes(32)).sign("cursor:ten_1:msg_1")
    assert len(signature) == 22


def test_unwrapping_is_remembered() -> None:
    keys = ring()
    stored = keys.new_data_key(TENANT)

    assert keys.cipher(TENANT, [stored]) is keys.cipher(TENANT, (stored,))


def test_bytes_that_are_no_wrapped_key_are_refused() -> None:
    with pytest.raises(CannotDecrypt):
        ring().cipher(TENANT, [WrappedKey(tenant_id=TENANT, version=1, wrapped=b"nonsense")])


def test_the_ring_is_what_the_port_asks_for() -> None:
    keys: KeyRing = ring()
    cipher: TenantCipher = keys.cipher(TENANT, [keys.new_data_key(TENANT)])

    assert cipher.open(ROW, cipher.seal(ROW, b"")) == b""
