"""Measures how soon a tenant's system hears of a message, and what telling it costs, if it answers at once."""

import asyncio
import statistics
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.entrypoints.lab.bench.report import Findings, MeasurementFailed, measured
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.cpu import difference
from messaging.entrypoints.lab.bench.rig.rig import Rig
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.receivers.log import Request
from messaging.entrypoints.lab.receivers.receiver import Receiver

_SECONDS: Final = 20.0
# Messages per second, unless another rate was asked for.
_RATE: Final = 200.0
_USUAL_RATE: Final = 400.0
_PROCESS: Final = "callbacks"
# Requests under way at once: one endpoint takes what all of a tenant's would share.
_IN_FLIGHT: Final = 32
_ENDPOINTS: Final = "/v1/callback-endpoints"


async def callbacks(rig: Rig) -> Findings:
    """Latency is from acceptance, by the database's clock, to the first byte of the first callback about a message."""
    await rig.workers(1)
    await rig.sandbox(drop_probability=0.0)
    receiver = Receiver("bench")
    await receiver.open()
    try:
        async with LocalClient(rig.stack.api, key=rig.business.api_key) as api:
            chosen = {"url": receiver.url, "event_types": ["message.*"], "max_in_flight": _IN_FLIGHT}
            made = await api.post(_ENDPOINTS, chosen)
            found = await _told(rig, receiver)
            await api.delete(f"{_ENDPOINTS}/{made['id']}")
            return found
    finally:
        await receiver.close()


async def _told(rig: Rig, receiver: Receiver) -> Findings:
    rate = _RATE if rig.order.rate == _USUAL_RATE else rig.order.rate
    job = rig.job(bodies.single(), seconds=rig.order.seconds or _SECONDS, rate=rate)
    await rig.warm_up(job)
    await _settled(rig)
    receiver.requests.clear()
    since, cpu = await rig.books.now(), rig.cpu()
    result = await rig.generate(job)
    await _settled(rig)
    used = difference(rig.cpu(), cpu) | {"generator": result.cpu_seconds}
    waits = _waits(await _accepted(rig, since), receiver.requests)
    told = len(receiver.requests)
    found = measured(
        per_second=result.per_second,
        latencies=_percentiles(waits),
        latency=f"acceptance to first callback at {rate:,.0f}/s",
        cpu=used,
        count=len(waits),
        floor=await rig.client_floor(),
    )
    figures = {
        "rate": rate,
        "events": float(told),
        "cpu_ms_per_event": round(used[_PROCESS] * 1000 / max(told, 1), 3),
        "repeats": float(told - len({request.id for request in receiver.requests})),
    }
    return Findings(measured={"callbacks": found}, figures={"callbacks": figures})


async def _settled(rig: Rig) -> None:
    """Wait until every event there is has been told."""
    await rig.all_told()
    async with asyncio.timeout(120):
        while await rig.books.untold():
            await asyncio.sleep(0.1)


async def _accepted(rig: Rig, since: datetime) -> dict[str, float]:
    """The instants, in epoch seconds, at which messages were accepted."""
    return {str(id): at for id, at in await rig.books.accepted_at(since)}


def _waits(accepted: dict[str, float], requests: Iterable[Request]) -> list[float]:
    first: dict[str, float] = {}
    for request in requests:
        id = str(parse_typeid(Prefix.MESSAGE, request.key))
        first[id] = min(request.began, first.get(id, request.began))
    if missing := accepted.keys() - first.keys():
        raise MeasurementFailed(f"nothing was told of {len(missing)} of {len(accepted)} messages")
    return [first[id] - at for id, at in accepted.items()]


def _percentiles(waits: Sequence[float]) -> tuple[float, float]:
    if len(waits) < 2:
        raise MeasurementFailed("fewer than two messages were accepted in the measured time")
    hundredths = statistics.quantiles(waits, n=100, method="inclusive")
    return round(hundredths[49] * 1000, 2), round(hundredths[98] * 1000, 2)
