"""Addresses a message can be sent to: phone numbers, e-mail addresses, and people known only by a provider's scoped id.

Which of them a channel reaches is told by the table of channels (`messaging.domain.channels.table`), and so is how the
text of a recipient is read.
"""

from collections.abc import Callable
from enum import StrEnum

from msgspec import Struct

from messaging.domain.channels.addresses.email_address import EmailFlaw, read_email
from messaging.domain.channels.addresses.phone import PhoneFlaw, is_number, read_phone
from messaging.domain.shared.errors import Violation


class Channel(StrEnum):
    WHATSAPP = "whatsapp"
    SMS = "sms"
    EMAIL = "email"


class Phone(Struct, frozen=True, tag="phone"):
    """An E.164 number, `+` included."""

    value: str


class ScopedUser(Struct, frozen=True, tag="scoped_user"):
    """A person without a known phone number, by an id that is meaningful only to one business at one provider."""

    value: str


class EmailAddress(Struct, frozen=True, tag="email"):
    """Local part as it was written (of Unicode in form NFC), `@`, and the domain in lower-case ASCII (`xn--…`)."""

    value: str


Recipient = Phone | ScopedUser | EmailAddress


class AddressKind(Struct, frozen=True, kw_only=True):
    """A kind of address. `words` name it to people, with an example.

    `read` is given any text. It answers None for one that is not meant as this kind of address, and a violation for one
    that is meant so and is not well formed.
    """

    of: type[Recipient]
    words: str
    read: Callable[[str], Recipient | Violation | None]


def _phone(text: str) -> Phone | Violation | None:
    read = read_phone(text)
    if isinstance(read, PhoneFlaw):
        if read.lacks_country_code:
            return Violation(pointer="/to", code="country_code_missing", detail=read.detail)
        return recipient_invalid(read.detail)
    return None if read is None else Phone(read)


def _email(text: str) -> EmailAddress | Violation | None:
    read = read_email(text)
    if isinstance(read, EmailFlaw):
        return recipient_invalid(read.detail)
    return None if read is None else EmailAddress(read)


PHONE = AddressKind(of=Phone, words="a phone number in E.164 form (+14155550100)", read=_phone)
EMAIL_ADDRESS = AddressKind(of=EmailAddress, words="an e-mail address (ana@example.com)", read=_email)


def recipient_invalid(detail: str) -> Violation:
    return Violation(pointer="/to", code="recipient_invalid", detail=detail)


def parse_provider_phone(text: str) -> Phone | None:
    """A number as a provider writes it, with or without '+'; it is not checked against numbering plans."""
    number = text if text.startswith("+") else f"+{text}"
    return Phone(number) if is_number(number) else None


def mask(recipient: Recipient) -> str:
    """Enough of the address for a person to recognise it, too little to write to it: `+14*****0100`, `a***@b.example`.

    The domain of an e-mail address stays, because faults are often those of a whole domain.
    """
    text = recipient.value
    if isinstance(recipient, EmailAddress):
        local, _, domain = text.rpartition("@")
        return f"{local[: min(2, len(local) // 3)]}***@{domain}"
    return text[:3] + "*" * max(len(text) - 7, 3) + text[-4:]
