"""One canonical form for an address that providers and people spell in several ways.

The canonical form is for finding and comparing only. A provider is given the number as the tenant wrote it.

- Mexico: ten digits, and the same with the 1 that mobile numbers had before them until 2019.
- Argentina: ten digits, and the same with the 9 that mobile numbers have when called from abroad.
- Brazil: area code and eight digits, and the same with the 9 that went before mobile numbers between 2012 and 2016.

In each country the shorter and the longer number belong to one line. E-mail addresses that differ only in the case
of letters belong to one person (see `email_address`). Other aliases are recorded from the provider's
answers (`messaging.application.contacts`).
"""

import re
from typing import Final

from messaging.domain.channels.address import Phone, Recipient, parse_provider_phone
from messaging.domain.channels.addresses.email_address import email_identity

_COUNTRIES: Final = ("+52", "+54", "+55")
_MEXICO: Final = re.compile(r"\+521?([0-9]{10})")
_ARGENTINA: Final = re.compile(r"\+549?([1-9][0-9]{9})")
# Eight digits that begin with 2 to 5 are a landline number, which has no 9.
_BRAZIL: Final = re.compile(r"\+55([1-9][1-9])9?([6-9][0-9]{7})")


def spellings(address: str) -> tuple[str, ...]:
    """All spellings of the address that mean the same person; the first is the canonical form."""
    if not address.startswith(_COUNTRIES):
        return (email_identity(address) if "@" in address else address,)
    if found := _MEXICO.fullmatch(address):
        return f"+52{found[1]}", f"+521{found[1]}"
    if found := _ARGENTINA.fullmatch(address):
        return f"+549{found[1]}", f"+54{found[1]}"
    if found := _BRAZIL.fullmatch(address):
        return f"+55{found[1]}9{found[2]}", f"+55{found[1]}{found[2]}"
    return (address,)


def identity(address: str) -> str:
    """The canonical form, which all spellings of a person's address share."""
    return spellings(address)[0]


def other_name(recipient: Recipient, named: str) -> str | None:
    """The identity that a provider says it sent to, if it differs from the given one; None if it is the same.

    `named` is a number without its '+', or a scoped id.
    """
    given = recipient.value
    if named == given or (isinstance(recipient, Phone) and named == given[1:]):
        return None
    phone = parse_provider_phone(named)
    # A number's scoped id says nothing about how the number is spelt.
    if phone is None or identity(phone.value) == identity(given):
        return None
    return identity(phone.value)
