"""Who a message goes to: a phone number, or a person known only by a business-scoped id."""

import re
from enum import StrEnum

from msgspec import Struct

from messaging.domain.shared.errors import Violation

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
# Meta, "Business-scoped user IDs" (2026-05): country code, a dot, optionally `ENT.`, up to 128 alphanumerics.
_BSUID = re.compile(r"[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}")
_SEPARATORS = str.maketrans("", "", " -().")


class Channel(StrEnum):
    WHATSAPP = "whatsapp"
    SMS = "sms"
    EMAIL = "email"


class Phone(Struct, frozen=True, tag="phone"):
    """An E.164 number, `+` included."""

    value: str


class ScopedUser(Struct, frozen=True, tag="scoped_user"):
    """A WhatsApp user without a known phone number (a BSUID); meaningful only within one business portfolio."""

    value: str


Recipient = Phone | ScopedUser


def parse_recipient(text: str) -> Recipient | Violation:
    """Read `to`. Common separators are forgiven; a missing country code is not, because guessing it misdelivers."""
    if _BSUID.fullmatch(text):
        return ScopedUser(text)
    number = text.translate(_SEPARATORS)
    if _E164.fullmatch(number):
        return Phone(number)
    if number.isascii() and number.isdigit():
        return Violation(
            pointer="/to",
            code="country_code_missing",
            detail="The number has no country code. Write it in E.164 form: '+', country code, number (+14155550100).",
        )
    return Violation(
        pointer="/to",
        code="recipient_invalid",
        detail="Not a phone number in E.164 form (+14155550100) nor a business-scoped user id (US.1349…).",
    )


def mask(recipient: Recipient) -> str:
    """Enough of the address for a person to recognise it, too little to write to it: `+14*****0100`."""
    text = recipient.value
    return text[:3] + "*" * max(len(text) - 7, 3) + text[-4:]
