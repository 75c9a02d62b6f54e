"""Identifier types, and the conversion between a UUIDv7 (internal) and a TypeID (public).

TypeID: a lower-case prefix, an underscore and 26 characters of Crockford base32 (https://github.com/jetify-com/typeid,
spec 0.3). The text sorts like the UUID, and a UUIDv7 sorts by its time of creation.
"""

from enum import StrEnum
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", UUID)
MessageId = NewType("MessageId", UUID)
SenderId = NewType("SenderId", UUID)
AccountId = NewType("AccountId", UUID)
TemplateId = NewType("TemplateId", UUID)
OwnTemplateId = NewType("OwnTemplateId", UUID)
KeyId = NewType("KeyId", UUID)
RuleId = NewType("RuleId", UUID)
WebhookId = NewType("WebhookId", UUID)
InboundId = NewType("InboundId", UUID)
EventId = NewType("EventId", UUID)
JobId = NewType("JobId", UUID)
CallbackEndpointId = NewType("CallbackEndpointId", UUID)
CallbackSecretId = NewType("CallbackSecretId", UUID)
CallbackEventId = NewType("CallbackEventId", UUID)
CallbackAttemptId = NewType("CallbackAttemptId", UUID)
IncidentId = NewType("IncidentId", UUID)


class Prefix(StrEnum):
    TENANT = "ten"
    MESSAGE = "msg"
    SENDER = "snd"
    ACCOUNT = "acc"
    TEMPLATE = "tpl"
    OWN_TEMPLATE = "own"
    KEY = "key"
    RULE = "rul"
    WEBHOOK = "whk"
    INBOUND = "inb"
    EVENT = "evt"
    JOB = "job"
    CALLBACK_ENDPOINT = "cbe"
    CALLBACK_ATTEMPT = "cbd"
    INCIDENT = "inc"


_CROCKFORD = b"0123456789abcdefghjkmnpqrstvwxyz"
# The digits of base 32 in Python's notation.
_TO_PYTHON = bytes.maketrans(_CROCKFORD, b"0123456789abcdefghijklmnopqrstuv")
_ALPHABET = frozenset(_CROCKFORD.decode())
_PAIRS = tuple(first + second for first in _CROCKFORD.decode() for second in _CROCKFORD.decode())
_LENGTH = 26


def typeid(prefix: Prefix, value: UUID) -> str:
    """`msg_01j…`: the public spelling of an id."""
    return prefix + "_" + encode_uuid(value)


def parse_typeid(prefix: Prefix, text: str) -> UUID | None:
    """The UUID behind a public id, or None when the text is not one of this prefix."""
    head, _, tail = text.rpartition("_")
    return decode_uuid(tail) if head == prefix else None


def encode_uuid(value: UUID) -> str:
    # Two characters at a time and without a loop: this runs for every id in every answer, and a loop takes twice as
    # long.
    bits, of = value.int, _PAIRS
    return (
        of[bits >> 120]
        + of[bits >> 110 & 1023]
        + of[bits >> 100 & 1023]
        + of[bits >> 90 & 1023]
        + of[bits >> 80 & 1023]
        + of[bits >> 70 & 1023]
        + of[bits >> 60 & 1023]
        + of[bits >> 50 & 1023]
        + of[bits >> 40 & 1023]
        + of[bits >> 30 & 1023]
        + of[bits >> 20 & 1023]
        + of[bits >> 10 & 1023]
        + of[bits & 1023]
    )


def decode_uuid(text: str) -> UUID | None:
    # The first character carries three bits only, so anything above '7' would not fit into 128 bits.
    if len(text) != _LENGTH or text[0] > "7" or not _ALPHABET.issuperset(text):
        return None
    return UUID(int=int(text.encode().translate(_TO_PYTHON), 32))
