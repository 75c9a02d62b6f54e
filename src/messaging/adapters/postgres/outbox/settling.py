"""Writes how claimed jobs ended, and lets the next job of each of their keys run."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from messaging.adapters.postgres.outbox.statements import LOCK_CLAIMED, LOCK_KEYS, SETTLE, UNBLOCK
from messaging.adapters.postgres.session.columns import transposed
from messaging.adapters.postgres.session.transactions import Driver
from messaging.application.ports.outbox import JobEnd, Settled
from messaging.domain.shared.ids import JobId

# With these the job is still before the others of its key.
_GOES_ON = (JobEnd.WAIT, JobEnd.RETRY)


async def settle(driver: Driver, ends: Sequence[Settled]) -> AbstractSet[JobId]:
    """The ids of those whose claim still held. Keys stay locked until the transaction ends."""
    claims = transposed([(it.claimed.tenant_id, it.claimed.id, it.claimed.epoch) for it in ends], 3)
    held = {JobId(row["id"]) for row in await driver.fetch(LOCK_CLAIMED, *claims)}
    ours = [it for it in ends if it.claimed.id in held]
    if not ours:
        return held
    keys = transposed(
        [(it.claimed.tenant_id, it.claimed.order_key) for it in ours if _frees_its_key(it)],
        2,
    )
    if keys[0]:
        await driver.execute(LOCK_KEYS, *keys)
    await driver.execute(SETTLE, *transposed([_row(it) for it in ours], 6))
    if keys[0]:
        await driver.execute(UNBLOCK, *keys)
    return held


def _frees_its_key(settled: Settled) -> bool:
    return settled.claimed.order_key is not None and settled.end not in _GOES_ON


def _row(settled: Settled) -> tuple[object, ...]:
    claimed = settled.claimed
    return (claimed.tenant_id, claimed.id, settled.end.value, settled.after, settled.code, settled.reason)
