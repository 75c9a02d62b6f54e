"""Which texts are read as e-mail addresses, in which form, and which are one person's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.domain.channels.addresses.email_address import EmailFlaw, read_email
from messaging.domain.channels.addresses.identity import identity


@pytest.mark.parametrize(
    "text",
    ["orders@example.com", "a.b+c@mail.example.co.uk", "o'neil@xn--bcher-kva.example", "x@1.example", "x@a.test"],
)
def test_plain_addresses_stay_as_they_are(text: str) -> None:
    assert read_email(text) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("Ana@Example.COM", "Ana@example.com"),
        (" ana@example.com ", "ana@example.com"),
        ("ana@b\u00fccher.example", "ana@xn--bcher-kva.example"),
        ("ana@B\u00dcCHER.example", "ana@xn--bcher-kva.example"),
        ("ana@XN--BCHER-KVA.example", "ana@xn--bcher-kva.example"),
        ("ana@\u65e5\u672c\u8a9e\u3002jp", "ana@xn--wgv71a119e.jp"),
        ("J\u00f6rg@example.com", "J\u00f6rg@example.com"),
        # A letter and its accent are one character, whoever typed them.
        ("Jo\u0308rg@example.com", "J\u00f6rg@example.com"),
        ('"ana b"@example.com', '"ana b"@example.com'),
        ('"a@b"@Example.com', '"a@b"@example.com'),
        # Quotes that change nothing are left out.
        ('"ana"@example.com', "ana@example.com"),
    ],
)
def test_the_domain_is_canonical_and_the_mailbox_is_left_to_its_server(text: str, canonical: str) -> None:
    assert read_email(text) == canonical


@pytest.mark.parametrize("text", ["", "orders", "example.com", "+14155550100"])
def test_a_text_without_an_at_sign_is_not_meant_as_an_address(text: str) -> None:
    assert read_email(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((f"orders@{domain}", "no domain") for domain in ("", "example", ".com", "example..com", "-example.com")),
        *((f"orders@{domain}", "no domain") for domain in ("127.0.0.1", "[127.0.0.1]", "example.123", "a_b.example")),
        *((f"orders@{domain}", "no domain") for domain in ("printer.local", "a.invalid", "a.onion", "x.localhost")),
        ("x@xn--zzzzzz.example", "no domain"),
        ("orders@example.com\n", "no domain"),
        (f"x@{'a.' * 126}example", "no domain"),
        *((f"{local}@example.com", "no mailbox") for local in ("", "or ders", ".orders", "orders.", "a..b", "a(b)")),
        *((f"{local}@example.com", "no mailbox") for local in ("x" * 65, "a\r\nb", "a\x00b", '"a\nb"', "a\u202eb")),
        ("Orders <orders@example.com>", "display name"),
        ("a@example.com, b@example.com", "several"),
        ("a@b@example.com", "several"),
    ],
)
def test_what_is_wrong_is_told_without_repeating_it(text: str, reason: str) -> None:
    read = read_email(text)

    assert isinstance(read, EmailFlaw)
    assert reason in read.detail
    assert text == "@example.com" or text not in read.detail


@given(st.emails())
def test_reading_an_address_twice_changes_nothing(text: str) -> None:
    once = read_email(text)

    if isinstance(once, str):
        assert read_email(once) == once
        assert identity(once) == identity(text.strip(" ")) or not text.isascii()


def test_letters_of_another_case_are_the_same_person_and_dots_and_suffixes_are_not() -> None:
    assert identity("Ana.Silva@example.com") == identity("ana.silva@example.com")
    assert identity("ana+news@example.com") != identity("ana@example.com")
    assert identity("anasilva@example.com") != identity("ana.silva@example.com")
