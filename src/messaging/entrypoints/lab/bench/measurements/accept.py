"""Measures accepting: messages submitted one by one and in batches, with no worker running beside the API."""

from typing import Final

from msgspec.structs import replace

from messaging.entrypoints.lab.bench.floors.commits import CONNECTIONS, commits_per_second
from messaging.entrypoints.lab.bench.report import Findings, Measured, MeasurementFailed, measured
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.cpu import difference
from messaging.entrypoints.lab.bench.rig.generator import Job, Result
from messaging.entrypoints.lab.bench.rig.rig import Rig
from messaging.entrypoints.lab.dev.processes.loopback import free_port

_SECONDS = 8.0
_COMMIT_SECONDS = 3.0
# Fraction of the throughput found at which latency is measured: at its limit a system has a queue, not a latency.
_COMFORTABLE = 0.7
_PARALLEL_BATCHES = 8
# Settings that disable group commit: the same process and load, and a transaction for every message.
_UNGROUPED: Final = {
    "APP_ACCEPT_BATCH": "1",
    "APP_ACCEPT_WRITERS": str(CONNECTIONS),
    "APP_DATABASE_POOL_SIZE": str(CONNECTIONS),
}


async def accept(rig: Rig) -> Findings:
    """Measures single POSTs with everything on: key, validation, encryption, idempotency."""
    job = rig.job(bodies.single(channel=rig.order.channels[0]), seconds=rig.order.seconds or _SECONDS)
    found = await accepted(rig, job)
    comfortable = await _comfortable(rig, job, found.per_second)
    await rig.books.forget_due_work()
    ungrouped = await _ungrouped(rig, job)
    commits = await commits_per_second(rig.books.url, seconds=_COMMIT_SECONDS)
    figures = {
        f"commits_at_{CONNECTIONS}": round(commits, 1),
        f"ungrouped_at_{CONNECTIONS}": round(ungrouped.per_second, 1),
        "group_commit_gain": round(found.per_second / ungrouped.per_second, 2),
        "p50_at_70_percent_ms": comfortable.p50_ms,
        "p99_at_70_percent_ms": comfortable.p99_ms,
    }
    return Findings(measured={"accept": found}, figures={"accept": figures})


async def accept_batch(rig: Rig) -> Findings:
    seconds = rig.order.seconds or _SECONDS
    batch = bodies.batch(channel=rig.order.channels[0])
    job = rig.job(batch, seconds=seconds, path="/v1/messages/batch", concurrency=_PARALLEL_BATCHES)
    return Findings(measured={"accept_batch": await accepted(rig, job, per_request=bodies.BATCH)})


async def accepted(rig: Rig, job: Job, *, per_request: int = 1) -> Measured:
    """Measures how many messages of `job` the API takes, compared with what the database has of them."""
    await rig.workers(0)
    await rig.warm_up(job)
    since, cpu = await rig.books.now(), rig.cpu()
    result = await rig.generate(job)
    used = difference(rig.cpu(), cpu) | {"generator": result.cpu_seconds}
    count = result.answered * per_request
    stored = await rig.books.accepted(since)
    if stored < count:
        raise MeasurementFailed(f"{count} messages were answered with 202 and {stored} are stored")
    await rig.books.forget_due_work()
    return measured(
        per_second=result.per_second * per_request,
        latencies=(result.p50_ms, result.p99_ms),
        latency="request to 202" if per_request == 1 else f"request of {per_request} to 202",
        cpu=used,
        count=count,
        floor=await rig.noop_floor(job, per_request=per_request),
    )


async def _ungrouped(rig: Rig, job: Job) -> Result:
    """Measures another API process that commits each message by itself, on as many connections as `commits_at_…`."""
    url = await rig.stack.add_api("api-ungrouped", port=free_port(), overrides=_UNGROUPED)
    (grouped,) = job.urls
    try:
        fresh = replace(rig.job(job.bodies[0], seconds=job.seconds), urls=(grouped.replace(rig.stack.api, url),))
        await rig.warm_up(fresh)
        return await rig.generate(fresh)
    finally:
        await rig.stack.stop("api-ungrouped")
        await rig.books.forget_due_work()


async def _comfortable(rig: Rig, job: Job, most: float) -> Result:
    fresh = rig.job(job.bodies[0], seconds=job.seconds, rate=max(1.0, most * _COMFORTABLE))
    return await rig.generate(replace(fresh, concurrency=job.concurrency))
