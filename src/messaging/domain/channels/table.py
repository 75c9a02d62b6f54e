"""The table of channels: one row each, read by everybody. A new channel is its module and its line here."""

from collections.abc import Iterable, Mapping
from typing import Final

from messaging.domain.channels.address import AddressKind, Channel, Recipient, recipient_invalid
from messaging.domain.channels.email import EMAIL
from messaging.domain.channels.rules import ChannelRules
from messaging.domain.channels.sms import SMS
from messaging.domain.channels.whatsapp import WHATSAPP
from messaging.domain.shared.errors import Violation

CHANNELS: Final[Mapping[Channel, ChannelRules]] = {rules.channel: rules for rules in (WHATSAPP, SMS, EMAIL)}
# Every kind of address once, in the order of the table.
_KINDS: Final = tuple({kind.words: kind for rules in CHANNELS.values() for kind in rules.addresses}.values())


def parse_recipient(text: str, channel: Channel) -> Recipient | Violation:
    """Read `to` of a message on the channel. Common spellings are accepted."""
    kinds = CHANNELS[channel].addresses
    for kind in kinds:
        if (read := kind.read(text)) is not None:
            return read
    return _of_another_channel(text, kinds) or _none_of(kinds)


def parse_address(text: str) -> Recipient | Violation:
    """Read an address of any kind, where no channel is named, as in a search."""
    for kind in _KINDS:
        if (read := kind.read(text)) is not None:
            return read
    return _none_of(_KINDS)


def _none_of(kinds: Iterable[AddressKind]) -> Violation:
    return recipient_invalid(f"Not {' nor '.join(kind.words for kind in kinds)}.")


def _of_another_channel(text: str, own: tuple[AddressKind, ...]) -> Violation | None:
    """The refusal of an address that another channel would take; None if no channel would."""
    for kind in _KINDS:
        if kind not in own and _is_meant(kind.read(text)):
            takers = " or ".join(rules.channel for rules in CHANNELS.values() if kind in rules.addresses)
            detail = (
                f"This reads as {kind.words}, which the channel {takers} takes. Change channel, or write to: "
                f"{' or '.join(mine.words for mine in own)}."
            )
            return Violation(pointer="/to", code="recipient_channel_mismatch", detail=detail)
    return None


def _is_meant(read: Recipient | Violation | None) -> bool:
    """Whether a text is an address of the kind, or one that only lacks its country code."""
    return read is not None and (not isinstance(read, Violation) or read.code == "country_code_missing")
