"""Port for looking at jobs across tenants, and for a person's decision about dead ones."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from messaging.domain.shared.ids import JobId, TenantId
from messaging.domain.shared.mode import Mode


class DeadJob(Struct, frozen=True, kw_only=True):
    """A job that only a person runs again. `code` and `reason` tell its last failure."""

    id: JobId
    tenant_id: TenantId
    mode: Mode
    kind: str
    payload: str
    wanted_at: datetime
    died_at: datetime
    attempts: int
    code: str | None
    reason: str | None


class JobCount(Struct, frozen=True, kw_only=True):
    """The jobs of a kind: `due` may run now, `running` are claimed, `waiting` are due later or follow another one.

    `oldest_due_at` is the due time of the job that has been due for longest; None if none is.
    """

    kind: str
    due: int
    running: int
    waiting: int
    dead: int
    oldest_due_at: datetime | None


class JobRecords(Protocol):
    """Bound to an open transaction of the platform."""

    async def counts(self) -> Sequence[JobCount]:
        """One for each kind of which there are jobs, by its name."""
        ...

    async def dead(self, *, before: JobId | None, limit: int, kind: str | None = None) -> Sequence[DeadJob]:
        """Dead jobs, those asked for last first, from the one before `before`."""
        ...

    async def find(self, id: JobId) -> DeadJob | None:
        """The dead job, locked; None if there is none."""
        ...

    async def revive(self, id: JobId) -> bool:
        """Make a locked dead job due now, as if it were new. False if a live job has its unique key."""
        ...

    async def discard(self, id: JobId) -> None:
        """Delete a locked dead job."""
        ...

    async def purge(self, *, dead_for: timedelta, limit: int) -> int:
        """Delete up to `limit` jobs that died longer ago than that; returns how many."""
        ...
