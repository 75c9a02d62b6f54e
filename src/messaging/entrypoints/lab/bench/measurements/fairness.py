"""Measures whether one-time passwords wait behind campaigns, and whether a campaign waits behind another's."""

import asyncio
from collections.abc import Sequence

from messaging.entrypoints.lab.bench.report import Findings, MeasurementFailed
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.rig import WARM_UP_SECONDS, Rig, uuid_of

_TENANTS = 10
_BACKLOG = 20_000
_SECONDS = 20.0
_OTP_PER_SECOND = 10


async def fairness(rig: Rig) -> Findings:
    """Measures ten equal tenants with a low-priority backlog each, and one more with ten critical messages a second."""
    await rig.workers(1)
    crowd = await asyncio.gather(*(rig.onboard(f"Crowd {number}") for number in range(1, _TENANTS + 1)))
    await rig.workers(0)
    await rig.sandbox(drop_probability=1.0)
    for business in crowd:
        await rig.queue(rig.order.n or _BACKLOG, business=business, priority="low")
    await rig.workers(1)
    await asyncio.sleep(WARM_UP_SECONDS)
    since = await rig.books.now()
    body, seconds = bodies.single(priority="critical"), rig.order.seconds or _SECONDS
    sent = await rig.generate(rig.job(body, seconds=seconds, rate=_OTP_PER_SECOND))
    until = await rig.books.now()
    tenants = [uuid_of(business) for business in crowd]
    if await rig.books.waiting(tenants) < _TENANTS:
        raise MeasurementFailed("a backlog was gone before the time was over: ask for more messages or fewer seconds")
    await asyncio.sleep(WARM_UP_SECONDS)  # long enough for the last accepted messages to leave
    waits = await rig.books.waits(uuid_of(rig.business), since, until)
    if waits.count < sent.answered:
        raise MeasurementFailed(f"of {sent.answered} critical messages {waits.count} were begun to be sent")
    shares = await rig.books.shares(tenants, since, until)
    await rig.workers(0)
    await rig.books.forget_due_work()
    figures = {
        "otp_wait_p50_ms": waits.p50_ms,
        "otp_wait_p99_ms": waits.p99_ms,
        "otp_messages": waits.count,
        "jain_index": round(jain_index(shares), 4),
        "crowd_per_second": round(sum(shares) / (until - since).total_seconds(), 1),
        "smallest_share": min(shares),
        "largest_share": max(shares),
    }
    return Findings(figures={"fairness": figures})


def jain_index(shares: Sequence[int]) -> float:
    """1 when all get the same, 1/n when one gets everything (Jain, Chiu and Hawe, 1984)."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0
