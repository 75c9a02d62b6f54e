"""Measures what more processes gain on this machine: workers on one backlog, and API processes side by side."""

from msgspec.structs import replace

from messaging.entrypoints.lab.bench.measurements.accept import accepted
from messaging.entrypoints.lab.bench.measurements.deliver import delivered
from messaging.entrypoints.lab.bench.report import Findings, Measured
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.generator import Job
from messaging.entrypoints.lab.bench.rig.rig import Rig
from messaging.entrypoints.lab.dev.processes.loopback import free_port

_WORKERS = (1, 2, 4)
_SECONDS = 8.0


async def scale(rig: Rig) -> Findings:
    """Measures both. A gain is relative to one process; a ratio is relative to the floor, as elsewhere."""
    workers = {count: await delivered(rig, workers=count) for count in _WORKERS}
    found = {f"deliver_{count}": it for count, it in workers.items()}
    job = rig.job(bodies.single(), seconds=rig.order.seconds or _SECONDS)
    found["accept_1"] = await accepted(rig, job)
    found["accept_2"] = await _accepted_by_two(rig, job)
    gains = {
        f"{name}_gain": round(it.per_second / found[f"{name.rpartition('_')[0]}_1"].per_second, 2)
        for name, it in found.items()
    }
    return Findings(measured=found, figures={"scale": gains})


async def _accepted_by_two(rig: Rig, job: Job) -> Measured:
    """Measures two API processes between which connections are shared evenly, as a load balancer would."""
    second = await rig.stack.add_api("api-2", port=free_port())
    (first,) = job.urls
    try:
        fresh = rig.job(job.bodies[0], seconds=job.seconds)
        return await accepted(rig, replace(fresh, urls=(first, first.replace(rig.stack.api, second))))
    finally:
        await rig.stack.stop("api-2")
