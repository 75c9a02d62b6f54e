"""Violations for channels that no provider here, or not the provider of a sender's account, can carry."""

from collections.abc import Set as AbstractSet

from messaging.domain.channels.address import Channel
from messaging.domain.shared.errors import Violation


def channel_not_served(channel: Channel, served: AbstractSet[Channel]) -> Violation:
    """The violation of a message on a channel that no provider here carries."""
    detail = f"No provider here carries {channel}. Messages can be sent by {_listed(served)}."
    return Violation(pointer="/channel", code="channel_not_served", detail=detail)


def channel_not_carried(channel: Channel, provider: str, carried: AbstractSet[Channel]) -> Violation:
    """The violation of a sender on a channel that its account's provider does not carry."""
    detail = f"A {provider} account carries {_listed(carried)}, not {channel}. Change channel, or name another account."
    return Violation(pointer="/channel", code="channel_not_carried", detail=detail)


def _listed(channels: AbstractSet[Channel]) -> str:
    return ", ".join(sorted(channels)) or "nothing"
