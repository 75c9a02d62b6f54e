"""Measures the workers' resident memory before and after sending with a long queue."""

import asyncio

from messaging.entrypoints.lab.bench.report import Findings
from messaging.entrypoints.lab.bench.rig.rig import Rig

_QUEUED = 200_000
_SECONDS = 20.0


async def memory(rig: Rig) -> Findings:
    """Measures resident memory before sending and after some time of sending with a long queue."""
    await rig.workers(0)
    await rig.workers(1)
    before = rig.memory()
    await rig.workers(0)
    await rig.sandbox(drop_probability=0.0)
    await rig.queue(rig.order.n or _QUEUED)
    queued = await rig.books.backlog()
    await rig.workers(1)
    await asyncio.sleep(rig.order.seconds or _SECONDS)
    after = rig.memory()
    await rig.workers(0)
    await rig.books.forget_due_work()
    figures = {f"{name}_mib_start": size for name, size in before.items()}
    figures |= {f"{name}_mib_end": size for name, size in after.items()}
    return Findings(figures={"memory": {"queued": queued, **figures}})
