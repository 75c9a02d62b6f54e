"""Addresses in commands: nothing in them may end the command or add to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.adapters.providers.smtp.wire.addresses import domain_of, for_envelope


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("ana@example.com", "ana@example.com"),
        ("a.b+c@example.com", "a.b+c@example.com"),
        ('"ana b"@example.com', '"ana b"@example.com'),
        ("ana@bücher.example", "ana@xn--bcher-kva.example"),
        ("josé@example.com", "josé@example.com"),
    ],
)
def test_an_address_is_written_with_its_domain_in_ascii(address: str, written: str) -> None:
    assert for_envelope(address) == written


@pytest.mark.parametrize(
    "address",
    [
        "", "@", "ana", "ana@", "@example.com", "ana@example.com\r\nRCPT TO:<eve@example.com>", "ana\n@example.com",
        "ana> SIZE=1 <b@example.com", "ana @example.com", "<ana@example.com>", "ana@exa mple.com", "ana@example.com>",
        '"a\r\nb"@example.com', "ana\x00@example.com", "a@" + "b" * 255 + ".com",
    ],
)  # fmt: skip
def test_an_address_that_would_change_the_command_is_not_written(address: str) -> None:
    assert for_envelope(address) is None


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_written_stays_within_its_brackets(local: str, domain: str) -> None:
    written = for_envelope(f"{local}@{domain}")

    if written is not None:
        outside_quotes = written.rpartition('"')[2] if written.startswith('"') else written
        assert not set(written) & set("\r\n\0")
        assert not set(outside_quotes) & set("<> ")


def test_the_domain_of_an_address_is_in_ascii() -> None:
    assert domain_of("ana@bücher.example") == "xn--bcher-kva.example"
