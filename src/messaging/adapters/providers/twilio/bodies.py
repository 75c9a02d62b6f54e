"""Builds the form of `POST /Messages.json` from a message, and compares a message at Twilio with what was sent."""

import re
from datetime import timedelta
from typing import Final
from urllib.parse import quote, urlencode

from msgspec import Struct

from messaging.domain.channels.address import Phone, Recipient
from messaging.domain.content.content import Content, Document, Image, Text

# Twilio puts this before the texts of trial accounts.
TRIAL_PREFIX = "Sent from your Twilio trial account - "
# What waits at Twilio for longer is not sent; the most that can be asked for, and what holds if nothing is.
_LONGEST_VALIDITY: Final = timedelta(seconds=36_000)
_NUMBER, _SHORT_CODE, _SERVICE = r"\+[1-9][0-9]{6,14}", "[0-9]{3,8}", "MG[0-9a-fA-F]{32}"
# Names are registered nowhere, so no list has them.
NAME: Final = "(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}"
SENDER: Final = f"{_NUMBER}|{_SHORT_CODE}|{_SERVICE}|{NAME}"
_is_sender = re.compile(SENDER, re.ASCII).fullmatch
_is_service = re.compile(_SERVICE, re.ASCII).fullmatch


class Unsendable(Struct, frozen=True):
    """The message cannot be said in Twilio's form; `reason` explains why."""

    reason: str


class Said(Struct, frozen=True):
    """What is said: the text, and the links of media."""

    body: str
    media: tuple[str, ...] = ()


def is_service(sender_external_id: str) -> bool:
    """Whether the sender is a Messaging Service, which chooses a number from its pool."""
    return _is_service(sender_external_id) is not None


def is_sender(external_id: str) -> bool:
    """Whether it is a phone number, a short code, a name or the SID of a Messaging Service."""
    return _is_sender(external_id) is not None


def said(content: Content) -> Said | Unsendable:
    match content:
        case Text(body=body):
            return Said(body)
        case Image(link=str() as link, caption=caption) | Document(link=str() as link, caption=caption):
            return Said(caption or "", (link,))
        case Image() | Document():
            return Unsendable("Twilio fetches media by a public link; this message names a stored file.")
        case _:
            return Unsendable("Twilio's SMS carries text, and images and documents by link.")


def to(recipient: Recipient) -> str | Unsendable:
    return recipient.value if isinstance(recipient, Phone) else Unsendable("An SMS goes to a phone number.")


def form(said: Said, *, to: str, sender: str, webhook: str, valid_for: timedelta | None) -> bytes:
    """The body of the request. `webhook` is where statuses are reported; empty for nowhere."""
    fields = [("To", to), ("MessagingServiceSid" if is_service(sender) else "From", sender)]
    if said.body:
        fields.append(("Body", said.body))
    fields += [("MediaUrl", link) for link in said.media]
    if webhook:
        fields.append(("StatusCallback", webhook))
    if valid_for is not None and valid_for < _LONGEST_VALIDITY:
        fields.append(("ValidityPeriod", str(max(int(valid_for.total_seconds()), 1))))
    return urlencode(fields, quote_via=quote, safe="").encode()


def webhook_url(base: str, path: str, reference: str) -> str:
    """The URL that Twilio reports statuses to: the account's webhook URL, with our reference in its query.

    Empty if the account has no webhooks.
    """
    return f"{base}{path}?ref={quote(reference, safe='.')}" if path else ""


def is_same_text(ours: str, theirs: str) -> bool:
    return theirs.removeprefix(TRIAL_PREFIX) == ours
