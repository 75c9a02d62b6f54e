"""Ports that tell whether a process may take traffic and how many dispatches wait in each lane."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from messaging.application.jobs import DeliverLane
from messaging.application.ports.lane_depth import LaneDepth


class Check(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`detail` names the next command when `ok` is false; no addresses or secrets.

    `tolerable` means that the process serves on without it, worse or later: a finding, no reason to send it no traffic.
    """

    name: str
    ok: bool
    detail: str
    tolerable: bool = False


class LoginRights(Struct, frozen=True, kw_only=True):
    """What a database login may do: whether it `assumes` its role, and its `excess`, which should be empty."""

    login: str
    role: str
    excess: tuple[str, ...] = ()
    assumes: bool = True


class Logins(Protocol):
    """The logins this process works with."""

    async def rights(self) -> Sequence[LoginRights]:
        """One for the work of a tenant, one for the work across tenants. Raises StoreUnavailable."""
        ...


class Health(Protocol):
    """Postgres's side of readiness: reachable, at the migration head, relay lag."""

    async def checks(self) -> Sequence[Check]: ...

    async def lane_depths(self) -> Sequence[LaneDepth]: ...


class ProcessState(Health, Protocol):
    """The same of a whole process, with what it knows of the workers."""

    async def lane_workers(self) -> Mapping[DeliverLane, int]:
        """How many live workers take each lane that a provider carries. Raises StoreUnavailable."""
        ...


class Retention(Struct, frozen=True, kw_only=True):
    """How long messages of both directions with their rows, and raw webhooks, are kept; None: for ever."""

    messages: timedelta | None = None
    raw_webhooks: timedelta | None = None


class Upkeep(Protocol):
    """The tables' own housekeeping; every method may run in several processes at once (advisory lock inside)."""

    async def ensure_partitions(self) -> None:
        """Make the partitions of the coming weeks."""
        ...

    async def drop_old_partitions(self) -> Sequence[str]:
        """Drop the weeks that are older than the retention and hold nothing unfinished; returns their tables' names."""
        ...

    async def purge_inbound(self) -> int:
        """Delete what people wrote longer ago than messages are kept; returns how many."""
        ...

    async def purge_provider_events(self) -> int:
        """Delete events that came longer ago than raw webhooks are kept; returns how many."""
        ...

    async def purge_idempotency(self) -> int:
        """Delete records older than 7 days; returns how many."""
        ...
