"""E-mail addresses that can be written to, and texts that look like some."""

import pytest

from messaging.domain.channels.email_address import is_email_address


@pytest.mark.parametrize(
    "text", ["orders@example.com", "a.b+c@mail.example.co.uk", "o'neil@xn--bcher-kva.example", "x@1.example"]
)
def test_addresses(text: str) -> None:
    assert is_email_address(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "orders", "@example.com", "orders@", "orders@example", "orders@.com", "orders@example..com"),
        *("or ders@example.com", ".orders@example.com", "orders.@example.com", "a..b@example.com"),
        *("orders@-example.com", "orders@example.com\n", "Orders <orders@example.com>", "orders@127.0.0.1"),
        *("bücher@example.com", "orders@bücher.example", f"{'x' * 65}@example.com", f"x@{'a.' * 126}example"),
        *("a@b@example.com", "mailto:orders@example.com,", "orders@example.com;b@example.com"),
    ],
)
def test_no_addresses(text: str) -> None:
    assert not is_email_address(text)
