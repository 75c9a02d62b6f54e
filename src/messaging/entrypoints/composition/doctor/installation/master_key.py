"""Checks that APP_MASTER_KEY opens a stored data key; any tenant's will do, as all are wrapped by the same key."""

from collections.abc import Sequence

from messaging.application.ports.secrets import CannotDecrypt, KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.entrypoints.composition.doctor.finding import Finding, Kind, failed, fine


class ExamineMasterKey:
    def __init__(self, *, open_uow: OpenSystemUnitOfWork, snapshots: Snapshots, key_ring: KeyRing) -> None:
        self._open_uow = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring

    async def __call__(self) -> Sequence[Finding]:
        async with self._open_uow() as uow:
            tenants = await uow.platform.tenants(before=None, limit=1)
        facts = await self._snapshots.tenant(tenants[0].id) if tenants else None
        if facts is None:
            return [fine("master_key", "there is no tenant yet to try it on")]
        try:
            self._key_ring.cipher(facts.tenant.id, facts.data_keys)
        except CannotDecrypt:
            detail = "is not the key this database was first used with"
            return [failed("master_key", detail, mend="restore that key as APP_MASTER_KEY", kind=Kind.CONFIGURATION)]
        return [fine("master_key", "opens what is stored")]
