"""What the table of channels says of one channel: its row. Use cases read rows, and hold no rule of one vendor."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from messaging.domain.channels.address import AddressKind, Channel, Phone, Recipient
from messaging.domain.channels.addresses.senders import SenderKind
from messaging.domain.content.content import Content, is_free_form
from messaging.domain.content.segments import Segments
from messaging.domain.shared.category import Category
from messaging.domain.shared.errors import Violation

# What is wrong with content of one kind; pointers are relative to the content. A rule gets structs of its kind only.
ContentRule = Callable[[Any], Sequence[Violation]]


class Window(Struct, frozen=True, kw_only=True):
    """The time after a person's message within which free-form content may be sent to them.

    The provider counts by its own clock, so the window ends early here, by `margin`: it must not refuse what was
    accepted.
    """

    length: timedelta
    margin: timedelta

    def is_open(self, last_inbound_at: datetime | None, *, now: datetime) -> bool:
        return last_inbound_at is not None and now < last_inbound_at + self.length - self.margin

    def closed(self) -> Violation:
        return Violation(
            pointer="/content",
            code="window_closed",
            detail=f"This person has not written to this sender in the last {self.length // timedelta(hours=1)} hours, "
            "so only a template may be sent. Send an approved template, or wait for their next message.",
        )


class ChannelRules(Struct, frozen=True, kw_only=True):
    """One channel's row.

    `contents` has the structs of content that it carries, each with its rule. `addresses` are the kinds of recipients
    that it reaches; messages in a category of `phone_only` need a phone number. `validity` is after how long a message
    of a category expires if its sender names no end; one of a category that is not there never does. `echo_grace` is
    how long an unclear send waits for the provider's echo before a person is asked to decide. Without a `window`,
    free-form content may be sent at any time. `senders` are the kinds of addresses that messages may leave from.
    `segments` counts what a text is cut into; None where it is not.
    """

    channel: Channel
    addresses: tuple[AddressKind, ...]
    contents: Mapping[type[Content], ContentRule]
    validity: Mapping[Category, timedelta]
    echo_grace: Mapping[Category, timedelta]
    senders: tuple[SenderKind, ...]
    window: Window | None = None
    phone_only: frozenset[Category] = frozenset()
    segments: Callable[[str], Segments] | None = None

    def content_violations(self, content: Content) -> Sequence[Violation]:
        """All violations of the content itself; pointers are relative to it."""
        rule = self.contents.get(type(content))
        return (self._not_carried(),) if rule is None else rule(content)

    def recipient_violations(self, recipient: Recipient, category: Category) -> Sequence[Violation]:
        if category in self.phone_only and not isinstance(recipient, Phone):
            return (_PHONE_NEEDED,)
        return ()

    def read_sender(self, address: str) -> str | Violation:
        """The canonical form of a sender's address, or why messages cannot leave from it."""
        for kind in self.senders:
            if (read := kind.read(address)) is not None:
                return read
        detail = f"A sender on the channel {self.channel} is {' or '.join(kind.words for kind in self.senders)}."
        return Violation(pointer="/address", code="recipient_invalid", detail=detail)

    def reach_violations(self, sender: str, recipient: Recipient) -> Sequence[Violation]:
        """Why messages from a sender's address do not arrive at the recipient; none if they may."""
        for kind in self.senders:
            barred = kind.barred
            if barred is not None and barred.holds(recipient.value) and kind.read(sender) == sender:
                detail = f"Its sender's address is {kind.words}, which cannot send to {barred.words}. Choose another."
                return (Violation(pointer="/from", code="sender_cannot_reach", detail=detail),)
        return ()

    def needs_window(self, content: Content) -> bool:
        return self.window is not None and is_free_form(content)

    def _not_carried(self) -> Violation:
        kinds = ", ".join(str(kind.__struct_config__.tag) for kind in self.contents)
        detail = f"The channel {self.channel} carries {kinds}. Change type, or channel."
        return Violation(pointer="/type", code="content_not_carried", detail=detail)


_PHONE_NEEDED = Violation(
    pointer="/to",
    code="recipient_needs_phone",
    detail="Authentication messages need a phone number; a scoped user id is not enough. Use to: +…",
)
