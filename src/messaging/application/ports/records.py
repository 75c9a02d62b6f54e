"""Port for reading messages: one, many by filter, counts, the timeline. Contents are returned encrypted."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId


class MessageRow(Struct, frozen=True, kw_only=True):
    """A message as stored; `sealed` (recipient, content, metadata) is opened by the query that shows it.

    `provider_message_id` is of the last attempt that the provider took.
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


class EventRow(Struct, frozen=True, kw_only=True):
    seq: int
    type: str
    state: State
    recorded_at: datetime
    occurred_at: datetime | None
    detail: dict[str, str | int | None]


class MessageFilter(Struct, frozen=True, kw_only=True):
    """All given conditions must hold. `states` holds internal states (public `queued` also means `claimed`).

    `message_id` is the only message it can be. `template` is a template's name; `recipient_indexes` are blind indexes
    of all names of one recipient.
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
    """`scanned_to` is where the next page starts (exclusive), also when few or no rows of this stretch matched.

    None means the list is at its end.
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
    """`truncated`: only the newest were counted, back to `since`. Otherwise `since` is where the range begins."""

    found: Mapping[tuple[State, str | None], int]
    truncated: bool
    since: datetime


class Records(Protocol):
    """Bound to a tenant and a mode, as the unit of work is: what is of the other mode does not exist here."""

    async def message(self, id: MessageId) -> MessageRow | None: ...

    async def page(self, wanted: MessageFilter, *, before: MessageId | None, limit: int) -> MessagePage:
        """Newest first. A filter by what changes may return fewer rows than `limit` with more to come."""
        ...

    async def counts(self, wanted: CountedRange) -> MessageCounts:
        """By state and error code, newest first, within a bound. Nothing else may follow in the transaction."""
        ...

    async def events(self, id: MessageId, *, after: int, limit: int) -> Sequence[EventRow]:
        """Oldest first, after the given seq."""
        ...
