"""Port for the lanes of endpoints and the callbacks that wait in them.

A lane is a row for each endpoint that says when to look at it next. Callbacks of one key (by default: of one subject)
leave in the order of their sequence: only the first of a key, its head, is ever claimed. A lane is claimed by one
worker at a time; its lease is its due time.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol
from uuid import UUID

from msgspec import Struct

from messaging.domain.callbacks.breaker import Health
from messaging.domain.shared.ids import CallbackEndpointId, CallbackEventId, TenantId
from messaging.domain.shared.mode import Mode


class EndpointKey(NamedTuple):
    """Sorts in the order in which lanes are locked."""

    tenant_id: TenantId
    endpoint_id: CallbackEndpointId


class CallbackKey(NamedTuple):
    """A callback within its lane."""

    key: str
    sequence: int
    event_id: CallbackEventId


class QueuedCallback(Struct, frozen=True, kw_only=True):
    """An event for one endpoint. `key` orders: callbacks of one key leave one at a time, by `sequence`.

    `replay_of` names the replay that asked for it, if one did.
    """

    tenant_id: TenantId
    endpoint_id: CallbackEndpointId
    key: str
    sequence: int
    event_id: CallbackEventId
    window_ends_at: datetime
    replay_of: UUID | None = None


class Head(Struct, frozen=True, kw_only=True):
    """A claimed callback. `tries` counts attempts that ended before; with `may_be_repeat` another may have been lost
    with its worker.
    """

    callback: CallbackKey
    created_at: datetime
    window_ends_at: datetime
    step: int = 0
    tries: int = 0
    replay_of: UUID | None = None
    may_be_repeat: bool = False


class Wanted(Struct, frozen=True, kw_only=True):
    """What a worker has room for: so many lanes of a pool, with so many heads each. Lanes of `full` tenants wait."""

    lanes: int
    heads_each: int
    lease: timedelta
    slow: bool = False
    full: Collection[TenantId] = ()


class ClaimedLane(Struct, frozen=True, kw_only=True):
    """A lane in the hands of one worker until its lease is over.

    There are no more heads than the breaker allows, and none if the endpoint is not `enabled`; `status` tells.
    """

    endpoint: EndpointKey
    epoch: int
    claimed_at: datetime
    mode: Mode
    status: str
    max_in_flight: int
    rate: int | None
    health: Health
    heads: Sequence[Head]


class LockedLane(Struct, frozen=True, kw_only=True):
    """A claimed lane as it is under lock; `now` is the database's time."""

    health: Health
    now: datetime


class Ending(Struct, frozen=True, kw_only=True):
    """The callback's row goes, and the next one of its key becomes its head."""

    callback: CallbackKey


class Retry(Struct, frozen=True, kw_only=True):
    """The callback is due again at `due_at`."""

    callback: CallbackKey
    due_at: datetime
    step: int
    tries: int


class LaneChange(Struct, frozen=True, kw_only=True):
    """What is written about a locked lane.

    Nothing of it is claimed before `not_before`, if given. `take` is how many more heads its worker wants, besides
    those of the events `busy`; without any of either, the lane is let go.
    """

    endpoint: EndpointKey
    health: Health
    ended: Sequence[Ending] = ()
    retried: Sequence[Retry] = ()
    not_before: datetime | None = None
    slow: bool = False
    take: int = 0
    busy: Collection[CallbackEventId] = ()
    lease: timedelta = timedelta(0)


class DroppedCallback(Struct, frozen=True, kw_only=True):
    """A held callback that was deleted; it was tried `tries` times before."""

    endpoint: EndpointKey
    event_id: CallbackEventId
    tries: int


class Lanes(Protocol):
    """Lanes of all tenants, in an open transaction of the platform."""

    async def enqueue(self, callbacks: Sequence[QueuedCallback]) -> None:
        """Write callbacks, and let their lanes be looked at. Those that are there already stay as they are.

        One for an endpoint that is not enabled, or behind a held one of its key, is held. None is written for an
        endpoint that is deleted.
        """
        ...

    async def claim(self, wanted: Wanted) -> Sequence[ClaimedLane]:
        """Claim lanes that are due, those that have been due for longest first."""
        ...

    async def lock(self, claims: Mapping[EndpointKey, int]) -> Mapping[EndpointKey, LockedLane]:
        """Lock the lanes whose claim of this epoch still holds."""
        ...

    async def apply(self, changes: Sequence[LaneChange]) -> Mapping[EndpointKey, Sequence[Head]]:
        """Write changes of locked lanes; returns the heads that were taken besides. The others are let go."""
        ...

    async def overdue(self, endpoint: EndpointKey, *, limit: int) -> Sequence[Head]:
        """Heads of a locked lane whose window is over, of those that have been due for longest."""
        ...


class HeldCallbacks(Protocol):
    """Callbacks that wait until their endpoint is enabled again, in an open transaction of the platform.

    Each call does at most `limit` callbacks, and locks the lane first. One that is under way goes on.
    """

    async def hold(self, endpoint: EndpointKey, *, limit: int) -> int:
        """Hold what waits for the endpoint; returns how many were held."""
        ...

    async def release(self, endpoint: EndpointKey, *, window: timedelta, limit: int) -> int:
        """Let held callbacks go, by key and sequence, each with a window of its own from now on; returns how many."""
        ...

    async def drop(self, endpoint: EndpointKey, *, before: datetime | None, limit: int) -> Sequence[DroppedCallback]:
        """Delete held callbacks, if `before` is given only those written before that."""
        ...

    async def drop_old(self, *, held_for: timedelta, limit: int) -> Sequence[DroppedCallback]:
        """Delete held callbacks of every endpoint that were written so long ago."""
        ...
