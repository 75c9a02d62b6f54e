"""Measures delivery of a backlog from claim to recorded outcome, while the sandbox sends no webhooks."""

import asyncio

from messaging.entrypoints.lab.bench.report import Findings, Measured, MeasurementFailed, measured
from messaging.entrypoints.lab.bench.rig.cpu import difference
from messaging.entrypoints.lab.bench.rig.rig import WARM_UP_SECONDS, Rig, uuid_of

_SECONDS = 8.0
# Messages in the backlog: more than workers on one machine can send, also in the time that starting all of them takes.
_BACKLOG_PER_SECOND = 2_500
_START_SECONDS = 5.0


async def deliver(rig: Rig) -> Findings:
    return Findings(measured={"deliver": await delivered(rig, workers=1)})


async def delivered(rig: Rig, *, workers: int) -> Measured:
    seconds = rig.order.seconds or _SECONDS
    await rig.workers(0)
    await rig.sandbox(drop_probability=1.0)
    await rig.queue(round(_BACKLOG_PER_SECOND * (_START_SECONDS + WARM_UP_SECONDS + seconds)))
    await rig.workers(workers)
    await asyncio.sleep(WARM_UP_SECONDS)
    since, cpu = await rig.books.now(), rig.cpu()
    await asyncio.sleep(seconds)
    used, until = difference(rig.cpu(), cpu), await rig.books.now()
    left = await rig.books.waiting([uuid_of(rig.business)])
    await rig.workers(0)
    await rig.books.forget_due_work()
    if not left:
        raise MeasurementFailed("the backlog was gone before the time was over")
    done = await rig.books.attempts(since, until)
    return measured(
        per_second=done.per_second,
        latencies=(done.p50_ms, done.p99_ms),
        latency="start to recorded outcome",
        cpu=used,
        count=done.count,
        floor=await rig.client_floor(),
    )
