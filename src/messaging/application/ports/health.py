"""Ports that tell whether a process may take traffic and how many dispatches wait in each lane."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.job_records import JobCount
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.wakeups import DeliverLane


class Check(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`detail` names the next command when `ok` is false; no addresses or secrets.

    `tolerable` means that the process serves on without it, worse or later: a finding, no reason to send it no traffic.
    """

    name: str
    ok: bool
    detail: str
    tolerable: bool = False


class LoginRights(Struct, frozen=True, kw_only=True):
    """What a database login may do. `assumes` tells whether it can take its role; `excess` lists rights that it should
    not have.
    """

    login: str
    role: str
    excess: tuple[str, ...] = ()
    assumes: bool = True


class Logins(Protocol):
    """The database logins of this process."""

    async def rights(self) -> Sequence[LoginRights]:
        """The rights of the login for one tenant's work and of the login for work across tenants.

        Raises StoreUnavailable.
        """
        ...


class Health(Protocol):
    """The readiness of Postgres: whether it can be reached, its schema's revision, and how late urgent messages are."""

    async def checks(self) -> Sequence[Check]: ...

    async def lane_depths(self) -> Sequence[LaneDepth]: ...

    async def job_counts(self) -> Sequence[JobCount]: ...


class ProcessState(Health, Protocol):
    """The readiness of a whole process, and the number of live workers."""

    async def lane_workers(self) -> Mapping[DeliverLane, int]:
        """The number of live workers of each lane whose channel some provider carries. Raises StoreUnavailable."""
        ...


class Retention(Struct, frozen=True, kw_only=True):
    """How long messages of both directions with all their rows, and raw webhooks, are kept; None means for ever."""

    messages: timedelta | None = None
    raw_webhooks: timedelta | None = None


class Upkeep(Protocol):
    """Housekeeping of tables. Several processes may call each method at once: an advisory lock lets one work."""

    async def ensure_partitions(self) -> None:
        """Make the partitions of the coming weeks."""
        ...

    async def drop_old_partitions(self) -> Sequence[str]:
        """Drop the weeks that are older than the retention and hold nothing unfinished; returns their tables' names."""
        ...

    async def purge_inbound(self) -> int:
        """Delete inbound messages that are older than messages are kept; returns how many."""
        ...

    async def purge_provider_events(self) -> int:
        """Delete provider events that are older than raw webhooks are kept; returns how many."""
        ...

    async def purge_idempotency(self) -> int:
        """Delete idempotency records that are older than 7 days; returns how many."""
        ...

    async def adopt_former_dispatches(self) -> int:
        """Give dispatches of the kinds that the version before wrote their present kinds; returns how many."""
        ...
