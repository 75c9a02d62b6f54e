"""The address that undeliverable mail returns to. It tells which message it was, and that we wrote it (VERP).

Its local part is made of digits and lower-case letters, 61 to 64 of them, so that it survives servers that fold the
case: the account's id (26), the message's id (26), the tag of the reference (8), and the attempt (1 to 4, in base 36).
The tag is keyed for the tenant and covers message and attempt, and only the account's own tenant has that key.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from msgspec import Struct

from messaging.domain.messages.reference import parse
from messaging.domain.shared.ids import AccountId, decode_uuid, encode_uuid

# A message waits 90 days at most and is valid for 30 more; servers give up on it within a week.
VALID_FOR: Final = timedelta(days=90 + 30 + 7)
_FORM: Final = re.compile(r"([0-7][0-9a-z]{25})([0-7][0-9a-z]{25})([0-9a-z]{8})([0-9a-z]{1,4})")
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_MOST_ATTEMPTS: Final = 36**4
# Milliseconds since 1970 of the last day that a date can be, in UTC everywhere.
_LATEST: Final = 253_402_000_000_000


class Returned(Struct, frozen=True, kw_only=True):
    """What a return address names; whether its tag is genuine is not checked yet."""

    account_id: AccountId
    reference: str
    message_made_at: datetime


def return_address(account_id: AccountId, reference: str, domain: str) -> str | None:
    """The address for one attempt; None for a reference that is not of this platform's form."""
    named = parse(reference)
    if named is None or named.epoch >= _MOST_ATTEMPTS or len(named.tag) != 8:
        return None
    local = encode_uuid(account_id) + encode_uuid(named.message_id) + named.tag + _in_base_36(named.epoch)
    return f"{local}@{domain}"


def read_return_address(address: str) -> Returned | None:
    """What the address names, in whatever case it is written; None for any other address."""
    found = _FORM.fullmatch(address.rpartition("@")[0].lower())
    if found is None:
        return None
    account, message = decode_uuid(found[1]), decode_uuid(found[2])
    if account is None or message is None or message.int >> 80 > _LATEST:
        return None
    reference = f"v1.{found[2]}.{int(found[4], 36)}.{found[3]}"
    return Returned(account_id=AccountId(account), reference=reference, message_made_at=_made_at(message))


def has_expired(returned: Returned, *, now: datetime) -> bool:
    return now - returned.message_made_at > VALID_FOR


def _made_at(id: UUID) -> datetime:
    """The time in a UUIDv7."""
    return datetime.fromtimestamp((id.int >> 80) / 1000, tz=UTC)


def _in_base_36(number: int) -> str:
    text = ""
    while True:
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
        if not number:
            return text
