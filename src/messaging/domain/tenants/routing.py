"""Chooses a message's sender: the caller's choice, else the tenant's routing rules, else its first active sender."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from messaging.domain.channels.address import Channel, Phone, Recipient
from messaging.domain.channels.rules import ChannelRules
from messaging.domain.channels.table import CHANNELS
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import RuleId, SenderId
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.tenant import Sender, SenderStatus


class RoutingRule(Struct, frozen=True, kw_only=True):
    """Rules are tried in `position` order; an empty `prefixes` matches every recipient of the channel."""

    id: RuleId
    channel: Channel
    sender_id: SenderId
    prefixes: tuple[str, ...] = ()
    position: int = 0


def route(
    *,
    channel: Channel,
    mode: Mode,
    recipient: Recipient | None,
    requested: SenderId | None,
    senders: Sequence[Sender],
    rules: Sequence[RoutingRule],
) -> Sender | Violation:
    """Choose the sender, or say why none fits. Only senders of the key's own mode are candidates.

    `recipient` is None when the address could not be read; rules by prefix then match nothing.
    """
    if requested is not None:
        return _requested(requested, channel, mode, senders)
    usable = {
        sender.id: sender
        for sender in senders
        if sender.channel is channel and sender.mode is mode and sender.status is SenderStatus.ACTIVE
    }
    if not usable:
        return Violation(
            pointer="/channel",
            code="no_sender",
            detail=f"No active {mode} sender for {channel}. Add one with POST /v1/senders, or activate one.",
        )
    if len(usable) > 1 and recipient is not None:
        usable = _reaching(usable, CHANNELS[channel], recipient) or usable
    if len(usable) == 1:
        # Routing rules choose among the usable senders only.
        return next(iter(usable.values()))
    for rule in sorted(rules, key=lambda rule: rule.position):
        if rule.channel is channel and rule.sender_id in usable and _matches(rule, recipient):
            return usable[rule.sender_id]
    return min(usable.values(), key=lambda sender: (sender.rank, sender.created_at, sender.id))


def _reaching(senders: Mapping[SenderId, Sender], rules: ChannelRules, recipient: Recipient) -> dict[SenderId, Sender]:
    """The senders whose kind of address reaches the recipient."""
    return {id: sender for id, sender in senders.items() if not rules.reach_violations(sender.address, recipient)}


def _matches(rule: RoutingRule, recipient: Recipient | None) -> bool:
    if not rule.prefixes:
        return True
    return isinstance(recipient, Phone) and recipient.value.startswith(rule.prefixes)


def _requested(requested: SenderId, channel: Channel, mode: Mode, senders: Sequence[Sender]) -> Sender | Violation:
    sender = next((sender for sender in senders if sender.id == requested and sender.mode is mode), None)
    if sender is None:
        detail = f"No such {mode} sender. GET /v1/senders lists yours; a {mode} key reaches {mode} senders only."
        return Violation(pointer="/from", code="sender_unknown", detail=detail)
    if sender.channel is not channel:
        detail = f"This sender belongs to {sender.channel}, not {channel}. Change from or channel."
        return Violation(pointer="/from", code="sender_channel_mismatch", detail=detail)
    if sender.status is not SenderStatus.ACTIVE:
        detail = "This sender is paused. Set its status to active, or leave out from."
        return Violation(pointer="/from", code="sender_paused", detail=detail)
    return sender
