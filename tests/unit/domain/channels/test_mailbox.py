"""An e-mail address with a name: read, written and read again."""

import pytest

from messaging.domain.channels.addresses.mailbox import Mailbox, read_mailbox
from messaging.domain.shared.errors import Violation


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("orders@Example.com", None, "orders@example.com"),
        ("Orders <orders@example.com>", "Orders", "orders@example.com"),
        ('"Northwind, Orders" <orders@bücher.example>', "Northwind, Orders", "orders@xn--bcher-kva.example"),
        ("Bücher <orders@example.com>", "Bücher", "orders@example.com"),
        ("<orders@example.com>", None, "orders@example.com"),
    ],
)
def test_a_mailbox_is_an_address_and_perhaps_a_name(text: str, name: str | None, address: str) -> None:
    mailbox = read_mailbox(text)

    assert mailbox == Mailbox(name=name, address=address)
    assert isinstance(mailbox, Mailbox)
    assert read_mailbox(mailbox.written()) == mailbox


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Orders\r\nBcc: eve@example.com <orders@example.com>", "header_injection"),
        ("Orders\x00 <orders@example.com>", "header_injection"),
        ("Orders", "mailbox_invalid"),
        ("Orders <orders>", "mailbox_invalid"),
        ("Orders <orders@>", "mailbox_invalid"),
        ("Eve <a@example.com> <b@example.com>", "mailbox_invalid"),
        ("a@example.com <b@example.com>", "mailbox_invalid"),
        ('Or"ders <orders@example.com>', "mailbox_invalid"),
        (f"{'x' * 101} <orders@example.com>", "mailbox_invalid"),
        ("\u200b <orders@example.com>", "mailbox_invalid"),
        ("", "mailbox_invalid"),
    ],
)
def test_what_is_none_is_refused(text: str, code: str) -> None:
    refusal = read_mailbox(text)

    assert isinstance(refusal, Violation)
    assert refusal.code == code
