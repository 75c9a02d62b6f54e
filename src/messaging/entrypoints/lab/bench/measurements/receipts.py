"""Measures signed webhooks as Meta sends them: of ten statuses until applied, of one until answered with 200."""

import time
from typing import Any

from messaging.entrypoints.lab.bench.report import Findings, Measured, measured
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.bodies import STATUSES_PER_WEBHOOK
from messaging.entrypoints.lab.bench.rig.cpu import difference
from messaging.entrypoints.lab.bench.rig.generator import Job
from messaging.entrypoints.lab.bench.rig.rig import Rig
from messaging.entrypoints.lab.dev.client import LocalClient

_SECONDS = 6.0
# More statuses than can be taken: the run ends when its time is over.
_APPLIED_PER_SECOND = 6_000
_SINGLE_PER_SECOND = 3_000
_STATUSES_PER_MESSAGE = 3


async def receipts(rig: Rig) -> Findings:
    seconds = rig.order.seconds or _SECONDS
    first = _messages_for(_APPLIED_PER_SECOND * seconds)
    ledger = await _silently_sent(rig, first + _messages_for(_SINGLE_PER_SECOND * seconds))
    url = await _webhook_url(rig)
    by_ten = _job(rig, url, ledger[:first], per_webhook=STATUSES_PER_WEBHOOK, seconds=seconds)
    by_one = _job(rig, url, ledger[first:], per_webhook=1, seconds=seconds)
    return Findings(
        measured={
            "receipts": await _received(rig, by_ten, per_webhook=STATUSES_PER_WEBHOOK),
            "receipts_single": await _received(rig, by_one, per_webhook=1),
        }
    )


async def _received(rig: Rig, job: Job, *, per_webhook: int) -> Measured:
    """Measures both. Single statuses count when acknowledged, tens when applied; processor time is always that until
    applied.
    """
    cpu, began = rig.cpu(), time.perf_counter()
    result = await rig.generate(job)
    await rig.books.webhooks_processed(within=300)
    applied_after = time.perf_counter() - began
    used = difference(rig.cpu(), cpu) | {"generator": result.cpu_seconds}
    count = result.answered * per_webhook
    return measured(
        per_second=result.per_second if per_webhook == 1 else count / applied_after,
        latencies=(result.p50_ms, result.p99_ms),
        latency=f"webhook of {per_webhook} to 200",
        cpu=used,
        count=count,
        floor=await rig.noop_floor(job, per_request=per_webhook),
    )


def _messages_for(statuses: float) -> int:
    """The number of messages, in whole batches, so that the parts of the ledger are as long as planned."""
    return max(1, round(statuses / _STATUSES_PER_MESSAGE / bodies.BATCH)) * bodies.BATCH


async def _silently_sent(rig: Rig, count: int) -> list[dict[str, Any]]:
    """Makes ledger entries of messages that the provider took a moment ago and has said nothing about."""
    await rig.sandbox(drop_probability=1.0)
    await rig.workers(1)
    async with LocalClient(rig.stack.sandbox) as sandbox:
        start = (await sandbox.get("/_ledger", limit=1, after=0))["end"]
        await rig.queue(count)
        await rig.books.nothing_due(within=300)
        ledger = await sandbox.get("/_ledger", after=start)
    ours = [entry for entry in ledger["data"] if (entry["reference"] or "").startswith("v1.")]
    return ours[-count:]


def _job(rig: Rig, url: str, ledger: list[dict[str, Any]], *, per_webhook: int, seconds: float) -> Job:
    return Job(
        urls=(url,),
        bodies=tuple(bodies.receipts(rig.business.seed.waba_id, ledger, per_webhook=per_webhook)),
        once=True,
        concurrency=rig.order.concurrency,
        seconds=seconds,
        app_secret=rig.business.seed.app_secret,
    )


async def _webhook_url(rig: Rig) -> str:
    async with LocalClient(rig.stack.api, key=rig.business.api_key) as client:
        account = await client.get(f"/v1/provider-accounts/{rig.business.account}")
    url: str = account["webhook_url"]
    return url
