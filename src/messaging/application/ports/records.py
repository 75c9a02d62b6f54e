"""Port for reading messages: one, many by filter, counts, the timeline. Contents are returned encrypted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId


class MessageRow(Struct, frozen=True, kw_only=True):
    """A message as stored. `sealed` holds recipient, content and metadata, encrypted.

    `provider_message_id` is the provider's id from the last attempt that the provider accepted.
    """

    id: MessageId
    mode: str
    channel: str
    state: State
    category: str
    priority: str
    on_unknown: str
    policy: str
    account_id: str
    sender_id: str
    template_id: str | None
    reference: str | None
    summary: str
    attempts: int
    checks: int
    error_code: str | None
    error_reason: str | None
    provider_message_id: str | None
    possible_duplicate: bool
    send_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    sealed: bytes
    trace_id: str | None = None


class EventRow(Struct, frozen=True, kw_only=True):
    """An entry of a message's timeline. `recorded_at` is the database's time, `occurred_at` the provider's."""

    seq: int
    type: str
    state: State
    recorded_at: datetime
    occurred_at: datetime | None
    detail: dict[str, str | int | None]


class MessageFilter(Struct, frozen=True, kw_only=True):
    """Conditions on messages, all of which must hold. `states` holds internal states (public `queued` includes
    `claimed`).

    `template` is a template's name; `recipient_indexes` are the blind indexes of all addresses of one recipient.
    """

    recipient_indexes: tuple[bytes, ...] = ()
    states: tuple[State, ...] = ()
    message_id: MessageId | None = None
    reference: str | None = None
    template: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    error_code: str | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None


class MessagePage(Struct, frozen=True, kw_only=True):
    """A page of messages. The next page starts after `scanned_to`, also if few or no messages up to there matched.

    None means that the list is at its end.
    """

    rows: tuple[MessageRow, ...]
    scanned_to: MessageId | None


class CountedRange(Struct, frozen=True, kw_only=True):
    """The messages accepted from `created_after` on and before `created_before`; `template` is a template's name."""

    created_after: datetime
    created_before: datetime
    template: str | None = None
    channel: str | None = None


class MessageCounts(Struct, frozen=True, kw_only=True):
    """Numbers of messages by state and error code. If `truncated`, only messages accepted since `since` were counted;
    otherwise `since` is the beginning of the range.
    """

    found: Mapping[tuple[State, str | None], int]
    truncated: bool
    since: datetime


class Records(Protocol):
    """A tenant's messages of one mode, read within an open transaction; those of the other mode are not found."""

    async def message(self, id: MessageId) -> MessageRow | None: ...

    async def page(self, wanted: MessageFilter, *, before: MessageId | None, limit: int) -> MessagePage:
        """A page, newest first. With a filter by state, error or time of change, it may be short though more follow."""
        ...

    async def counts(self, wanted: CountedRange) -> MessageCounts:
        """Counts by state and error code, of the newest messages up to a bound. It must be the transaction's last
        query.
        """
        ...

    async def events(self, id: MessageId, *, after: int, limit: int) -> Sequence[EventRow]:
        """A message's timeline after the entry numbered `after`, oldest first."""
        ...
