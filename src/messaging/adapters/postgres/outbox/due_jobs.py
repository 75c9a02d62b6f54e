"""Claims due jobs, in turn between tenants, and settles them."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Final
from uuid import UUID

from asyncpg import Record

from messaging.adapters.postgres.outbox.settling import settle
from messaging.adapters.postgres.outbox.statements import CLAIM, LANES_DUE, PICK, PICK_SUSPECT
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.jobs import JobLane
from messaging.application.ports.outbox import Claim, ClaimedJob, Settled, Wanted
from messaging.domain.shared.ids import JobId, TenantId
from messaging.domain.shared.mode import Mode

_NIL: Final = UUID(int=0)


class PostgresDueJobs:
    """Jobs, claimed and settled in one open transaction of the role `messaging_system`."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def lanes_due(self, lanes: Collection[JobLane]) -> AbstractSet[JobLane]:
        return {JobLane(row["lane"]) for row in await self._driver.fetch(LANES_DUE, list(lanes))}

    async def claim(self, wanted: Wanted) -> Claim:
        place = (wanted.lane, wanted.behind or _NIL, wanted.limit, list(wanted.busy))
        picked = await self._driver.fetch(PICK, *place, list(wanted.leases), wanted.most_each)
        return await self._claim(picked[: wanted.limit], wanted.leases)

    async def claim_suspect(self, lane: JobLane, leases: Mapping[str, timedelta]) -> Claim:
        return await self._claim(await self._driver.fetch(PICK_SUSPECT, lane, list(leases)), leases)

    async def settle(self, ends: Sequence[Settled]) -> AbstractSet[JobId]:
        return await settle(self._driver, ends) if ends else frozenset()

    async def _claim(self, picked: Sequence[Record], leases: Mapping[str, timedelta]) -> Claim:
        free = [row for row in picked if row["free"]]
        if not free:
            return Claim([])
        rows = await self._driver.fetch(
            *(CLAIM, [row["tenant_id"] for row in free], [row["id"] for row in free]),
            *(list(leases), list(leases.values())),
        )
        jobs = {row["id"]: _claimed(row) for row in rows if not row["follows"]}
        in_turn = [jobs[row["id"]] for row in free if row["id"] in jobs]
        return Claim(in_turn, followers=len(rows) - len(in_turn))


def _claimed(row: Record) -> ClaimedJob:
    return ClaimedJob(
        id=JobId(row["id"]),
        tenant_id=TenantId(row["tenant_id"]),
        mode=Mode(row["mode"]),
        kind=row["kind"],
        payload=row["payload"],
        epoch=row["epoch"],
        attempts=row["attempts"],
        unfinished=row["unfinished"],
        wanted_at=row["wanted_at"],
        claimed_at=row["claimed_at"],
        order_key=row["order_key"],
    )
