"""Measures the least cost of sending: a bare loop with the same HTTP client, body and concurrency.

It is a process of its own, like the worker that it is compared with. The job comes as JSON on stdin.
"""

import asyncio
import sys
import time

import httpx
import msgspec
import uvloop
from httpx_aiohttp import AiohttpTransport

from messaging.entrypoints.lab.bench.rig.generator import Job, Result


async def run(job: Job) -> Result:
    latencies: list[float] = []
    began, cpu = time.perf_counter(), time.process_time()
    limits = httpx.Limits(max_connections=job.concurrency, max_keepalive_connections=job.concurrency)
    async with (
        httpx.AsyncClient(transport=AiohttpTransport(limits=limits), headers=job.headers, timeout=30) as client,
        asyncio.TaskGroup() as group,
    ):
        for index in range(job.concurrency):
            group.create_task(_send(client, job, index, began, latencies))
    latencies.sort()
    at = len(latencies) - 1
    return Result(
        answered=len(latencies),
        seconds=time.perf_counter() - began,
        p50_ms=round(latencies[at // 2] * 1000, 2),
        p99_ms=round(latencies[at * 99 // 100] * 1000, 2),
        cpu_seconds=time.process_time() - cpu,
    )


async def _send(client: httpx.AsyncClient, job: Job, index: int, began: float, latencies: list[float]) -> None:
    number = job.first_number + index
    while time.perf_counter() - began < job.seconds:
        sent = time.perf_counter()
        body = job.bodies[0].replace("{n}", f"{number:07d}").encode()
        answer = await client.post(job.urls[0], content=body, headers={"content-type": "application/json"})
        answer.raise_for_status()
        latencies.append(time.perf_counter() - sent)
        number += job.concurrency


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(run(job))))


if __name__ == "__main__":
    main()
