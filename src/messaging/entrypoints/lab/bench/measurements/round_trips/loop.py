"""Finds the rate that the whole platform sustains for minutes: accept, send, what is reported, on one machine."""

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator

from msgspec import Struct

from messaging.entrypoints.lab.bench.report import Findings, measured
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.books import Stretch
from messaging.entrypoints.lab.bench.rig.cpu import difference
from messaging.entrypoints.lab.bench.rig.generator import Result
from messaging.entrypoints.lab.bench.rig.rig import Rig

_SECONDS = 30.0
_SAMPLE_SECONDS = 1.0
_MOST_REPORT_MS = 500.0
_SHORTEST_TRIAL = 5.0
_LONGEST_TRIAL = 30.0
_MOST_TRIALS = 16
# Fraction of the rate asked for; below it the generator or the API did not keep up.
_KEPT_UP = 0.97
# What is waited for, by the state in which it leaves a message.
_LATENCY_TO = {"delivered": "delivery report", "sent": "acceptance by the mail server, its last word"}


class Paced(Struct, frozen=True, kw_only=True):
    """One run at a fixed rate. `backlog` is the number of due messages, sampled at the start, in the middle and at the
    end.
    """

    rate: float
    accepted: Result
    reports: Stretch
    backlog: tuple[float, float, float]
    cpu: dict[str, float]

    @property
    def holds(self) -> bool:
        """Whether the rate was sustained: the backlog may vary by what arrives within a second, but not grow."""
        start, _, end = self.backlog
        flat = end <= start + self.rate
        return flat and self.reports.p99_ms <= _MOST_REPORT_MS and self.accepted.per_second >= _KEPT_UP * self.rate


async def loop(rig: Rig) -> Findings:
    """Measures the rate asked for, then step by step the highest that holds."""
    await rig.workers(1)
    await rig.sandbox(drop_probability=0.0)
    await rig.warm_up(rig.job(_body(rig), seconds=1, rate=rig.order.rate))
    await rig.all_told()
    seconds, before = rig.order.seconds or _SECONDS, rig.memory()
    run = await _paced(rig, rig.order.rate, seconds)
    after = rig.memory()
    figures = {
        "rate": run.rate,
        "accept_p50_ms": run.accepted.p50_ms,
        "accept_p99_ms": run.accepted.p99_ms,
        **dict(zip(("backlog_start", "backlog_middle", "backlog_end"), run.backlog, strict=True)),
        **{f"{name}_mib_start": size for name, size in before.items()},
        **{f"{name}_mib_end": size for name, size in after.items()},
        "highest_rate": await _highest(rig, run, min(_LONGEST_TRIAL, max(_SHORTEST_TRIAL, seconds / 5))),
    }
    found = measured(
        per_second=run.reports.per_second,
        latencies=(run.reports.p50_ms, run.reports.p99_ms),
        latency=f"request to {_LATENCY_TO[rig.last_word]} at {run.rate:,.0f}/s",
        cpu=run.cpu,
        count=run.reports.count,
        floor=await rig.client_floor(),
    )
    return Findings(measured={"loop": found}, figures={"loop": figures})


def _body(rig: Rig) -> str:
    return bodies.single(channel=rig.order.channels[0])


async def _highest(rig: Rig, first: Paced, seconds: float) -> float:
    """Steps up from a rate that holds to the last that does, or down to the first that does; 0 when none does."""
    step = first.rate / 4
    rate = first.rate
    for _ in range(_MOST_TRIALS):
        rate += step if first.holds else -step
        if rate <= 0:
            break
        holds = (await _paced(rig, rate, seconds)).holds
        if holds != first.holds:
            return rate - step if first.holds else rate
    return max(rate, 0.0)


async def _paced(rig: Rig, rate: float, seconds: float) -> Paced:
    since, cpu = await rig.books.now(), rig.cpu()
    async with _sampled(rig) as samples:
        result = await rig.generate(rig.job(_body(rig), seconds=seconds, rate=rate))
    until = await rig.books.now()
    await rig.all_told()
    used = difference(rig.cpu(), cpu) | {"generator": result.cpu_seconds}
    reports = await rig.books.reports(since, until, rig.last_word)
    return Paced(rate=rate, accepted=result, reports=reports, backlog=thirds(samples), cpu=used)


@contextlib.asynccontextmanager
async def _sampled(rig: Rig) -> AsyncIterator[list[int]]:
    samples: list[int] = []

    async def sample() -> None:
        while True:
            await asyncio.sleep(_SAMPLE_SECONDS)
            samples.append(await rig.books.backlog())

    sampling = asyncio.create_task(sample())
    try:
        yield samples
    finally:
        sampling.cancel()
        await asyncio.wait({sampling})


def thirds(samples: list[int]) -> tuple[float, float, float]:
    """The medians of the first, the middle and the last third."""
    size = max(1, len(samples) // 3)
    parts = (samples[:size], samples[size:-size], samples[-size:])
    start, middle, end = (statistics.median(part or [0]) for part in parts)
    return start, middle, end
