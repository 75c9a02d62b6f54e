"""The five measurements, each next to its floor."""

import asyncio
import itertools
import sys
import time
from random import Random
from typing import Final

import msgspec

from messaging.entrypoints.bench import bodies
from messaging.entrypoints.bench.books import Books
from messaging.entrypoints.bench.cpu import difference, seconds_by_process
from messaging.entrypoints.bench.generator import Job, Result
from messaging.entrypoints.bench.report import Floor, Measured
from messaging.entrypoints.dev.client import LocalClient
from messaging.entrypoints.dev.onboarding import Business
from messaging.entrypoints.dev.stack import Stack

_PYTHON: Final = (sys.executable, "-P", "-m")
_WARM_UP_SECONDS: Final = 1.0
_FLOOR_SECONDS: Final = 3.0
_SETTLE_SECONDS: Final = 120.0
# Of the throughput found, for the run that measures latency: a system at its limit has no latency, only a queue.
_COMFORTABLE: Final = 0.6
_RECEIPTS_PER_SECOND: Final = 3_000  # more than can be acknowledged; the run ends when its time is over
_NUMBERS_PER_JOB: Final = 200_000
_FIRST_NUMBERS: Final = 10_000
_NOT_OURS: Final = ("sandbox", "generator")


class MeasurementFailed(Exception):
    """A measurement that would be a lie: something answered with an error, or less was stored than promised."""


class Measurements:
    """On one running platform; each can be run by itself, in any order. `noop` is the no-op endpoint's URL."""

    def __init__(
        self, *, stack: Stack, business: Business, books: Books, noop: str, seconds: float, seed: int, concurrency: int
    ) -> None:
        self._stack = stack
        self._business = business
        self._books = books
        self._noop = noop
        self._seconds = seconds
        self._concurrency = concurrency
        # Each job has numbers of its own, so that no recipient and no idempotency key comes twice.
        self._numbers = itertools.count(Random(seed).randrange(_FIRST_NUMBERS), _NUMBERS_PER_JOB)
        self._has_worker = True

    async def accept(self) -> Measured:
        return await self._accept("/v1/messages", bodies.single(), per_request=1)

    async def accept_batch(self) -> Measured:
        return await self._accept("/v1/messages/batch", bodies.batch(), per_request=bodies.BATCH)

    async def _accept(self, path: str, body: str, *, per_request: int) -> Measured:
        """Without a worker beside it: what it costs to promise."""
        await self._worker(False)
        await self._generate(self._job(path, body, seconds=_WARM_UP_SECONDS))
        since, cpu = await self._books.now(), self._cpu()
        result = await self._generate(self._job(path, body, seconds=self._seconds))
        used = difference(self._cpu(), cpu)
        count = result.answered * per_request
        stored = await self._books.accepted(since)
        if stored < count:
            raise MeasurementFailed(f"{count} messages were answered with 202 and {stored} are stored")
        await self._books.forget_due_work()
        noop = msgspec.structs.replace(self._job(path, body, seconds=_FLOOR_SECONDS), url=self._noop)
        floor = await self._generate(noop)
        return _measured(
            per_second=result.per_second * per_request,
            latencies=(result.p50_ms, result.p99_ms),
            latency="request to 202" if per_request == 1 else f"request of {per_request} to 202",
            cpu=used | {"generator": result.cpu_seconds},
            count=count,
            floor=Floor(what="no-op endpoint, same body", per_second=floor.per_second * per_request),
        )

    async def deliver(self) -> Measured:
        """A backlog and a worker: from claim to recorded outcome, callbacks held back."""
        await self._worker(False)
        await self._sandbox(drop_probability=1.0)
        await self._fill_backlog()
        await self._worker(True)
        await asyncio.sleep(_WARM_UP_SECONDS)
        since, cpu = await self._books.now(), self._cpu()
        await asyncio.sleep(self._seconds)
        used, until = difference(self._cpu(), cpu), await self._books.now()
        done = await self._books.attempts(since, until)
        await self._worker(False)
        await self._books.forget_due_work()
        floor = await self._client_loop()
        return _measured(
            per_second=done.count / done.seconds if done.seconds else 0.0,
            latencies=(done.p50_ms, done.p99_ms),
            latency="stamp to recorded outcome",
            cpu=used,
            count=done.count,
            floor=floor,
        )

    async def receipts(self) -> Measured:
        """Signed callbacks of one status each: acknowledged when stored, counted when applied."""
        posts = await self._receipt_bodies()
        await self._worker(True)
        url = await self._webhook_url()
        job = Job(
            url=url,
            bodies=tuple(posts),
            once=True,
            concurrency=self._concurrency,
            seconds=self._seconds,
            app_secret=self._business.seed.app_secret,
        )
        cpu, began = self._cpu(), time.perf_counter()
        result = await self._generate(job)
        await self._books.callbacks_processed(within=_SETTLE_SECONDS)
        elapsed, used = time.perf_counter() - began, difference(self._cpu(), cpu)
        floor = await self._generate(msgspec.structs.replace(job, url=self._noop, seconds=_FLOOR_SECONDS))
        return _measured(
            per_second=result.answered / elapsed,
            latencies=(result.p50_ms, result.p99_ms),
            latency="callback to 200",
            cpu=used | {"generator": result.cpu_seconds},
            count=result.answered,
            floor=Floor(what="no-op endpoint, same body", per_second=floor.per_second),
        )

    async def loop(self) -> Measured:
        """Everything at once: throughput at full load, latency at a comfortable part of it."""
        await self._worker(True)
        await self._sandbox(drop_probability=0.0)
        since, cpu = await self._books.now(), self._cpu()
        result = await self._generate(self._job("/v1/messages", bodies.single(), seconds=self._seconds))
        await self._all_told()
        used, until = difference(self._cpu(), cpu), await self._books.now()
        done = await self._books.reports(since, until)
        per_second = done.count / done.seconds if done.seconds else 0.0
        paced = self._job(
            "/v1/messages", bodies.single(), seconds=self._seconds, rate=max(1.0, per_second * _COMFORTABLE)
        )
        since = await self._books.now()
        await self._generate(paced)
        await self._all_told()
        comfortable = await self._books.reports(since, await self._books.now())
        return _measured(
            per_second=per_second,
            latencies=(comfortable.p50_ms, comfortable.p99_ms),
            latency=f"request to delivery report at {paced.rate:,.0f}/s",
            cpu=used | {"generator": result.cpu_seconds},
            count=done.count,
            floor=await self._client_loop(),
        )

    # --- parts ------------------------------------------------------------------------------------------------------

    async def _all_told(self) -> None:
        await self._books.nothing_due(within=_SETTLE_SECONDS)
        await self._sandbox_is_done()
        await self._books.callbacks_processed(within=_SETTLE_SECONDS)

    async def _sandbox_is_done(self) -> None:
        async with LocalClient(self._stack.sandbox) as sandbox:
            give_up_at = time.monotonic() + _SETTLE_SECONDS
            while (await sandbox.get("/_callbacks", limit=1))["pending"]:
                if time.monotonic() > give_up_at:
                    raise MeasurementFailed("the sandbox still has callbacks to post")
                await asyncio.sleep(0.1)

    async def _fill_backlog(self) -> None:
        """More than a worker can send in the time."""
        wanted = 4_000 * (self._seconds + _WARM_UP_SECONDS)
        posts = (bodies.batch(),) * int(wanted / bodies.BATCH)
        job = self._job("/v1/messages/batch", posts[0], seconds=60)
        await self._generate(msgspec.structs.replace(job, bodies=posts, once=True, concurrency=4))

    async def _receipt_bodies(self) -> list[str]:
        """For messages the provider has and has said nothing about: sent without callbacks, a moment ago."""
        await self._sandbox(drop_probability=1.0)
        async with LocalClient(self._stack.sandbox) as sandbox:
            start = (await sandbox.get("/_ledger", limit=1, after=0))["end"]
            count = int(_RECEIPTS_PER_SECOND * self._seconds / 3)
            posts = (bodies.batch(),) * max(1, count // bodies.BATCH)
            await self._worker(True)
            job = self._job("/v1/messages/batch", posts[0], seconds=60)
            await self._generate(msgspec.structs.replace(job, bodies=posts, once=True, concurrency=4))
            await self._books.nothing_due(within=_SETTLE_SECONDS)
            ledger = await sandbox.get("/_ledger", after=start)
        ours = [entry for entry in ledger["data"] if (entry["reference"] or "").startswith("v1.")]
        return bodies.receipts(self._business.seed.waba_id, ours[-count:])

    async def _client_loop(self) -> Floor:
        sender = self._business.phone_number_ids[0]
        job = Job(
            url=f"{self._stack.sandbox}/v25.0/{sender}/messages",
            bodies=(bodies.graph(),),
            concurrency=self._concurrency,
            seconds=_FLOOR_SECONDS,
            headers={"authorization": f"Bearer {self._business.seed.access_token}"},
            first_number=next(self._numbers),
        )
        await self._sandbox(drop_probability=1.0)
        result = await self._run("client_floor", job)
        return Floor(what="httpx loop against the sandbox, same body", per_second=result.per_second)

    def _job(self, path: str, body: str, *, seconds: float, rate: float | None = None) -> Job:
        first = next(self._numbers)
        return Job(
            url=self._stack.api + path,
            bodies=(body,),
            concurrency=self._concurrency,
            seconds=seconds,
            rate=rate,
            first_number=first,
            headers={
                "authorization": f"Bearer {self._business.api_key}",
                "idempotency-key": f"bench-{self._business.seed.id}-{{n}}",
            },
        )

    async def _generate(self, job: Job) -> Result:
        result = await self._run("generator", job)
        if result.others or not result.answered:
            raise MeasurementFailed(f"{job.url} answered {result.answered} times with 2xx, otherwise {result.others}")
        return result

    async def _run(self, module: str, job: Job) -> Result:
        process = await asyncio.create_subprocess_exec(
            *_PYTHON,
            f"messaging.entrypoints.bench.{module}",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            printed, _ = await process.communicate(msgspec.json.encode(job))
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise MeasurementFailed(f"the {module} ended with exit code {process.returncode}; its own words are above")
        return msgspec.json.decode(printed, type=Result)

    async def _worker(self, wanted: bool) -> None:
        if wanted and not self._has_worker:
            await self._stack.start_worker()
        if self._has_worker and not wanted:
            await self._stack.stop_worker()
        self._has_worker = wanted

    async def _sandbox(self, **settings: float) -> None:
        async with LocalClient(self._stack.sandbox) as sandbox:
            await sandbox.post("/_control/settings", settings)

    async def _webhook_url(self) -> str:
        async with LocalClient(self._stack.api, key=self._business.api_key) as client:
            account = await client.get(f"/v1/provider-accounts/{self._business.account}")
        url: str = account["webhook_url"]
        return url

    def _cpu(self) -> dict[str, float]:
        return seconds_by_process(self._stack.pids)


def _measured(
    *, per_second: float, latencies: tuple[float, float], latency: str, cpu: dict[str, float], count: int, floor: Floor
) -> Measured:
    if not count:
        raise MeasurementFailed("nothing happened in the measured time")
    each = {name: round(seconds * 1000 / count, 3) for name, seconds in cpu.items()}
    return Measured(
        per_second=round(per_second, 1),
        p50_ms=latencies[0],
        p99_ms=latencies[1],
        latency=latency,
        cpu_ms_per_message=round(sum(spent for name, spent in each.items() if name not in _NOT_OURS), 3),
        cpu_ms_by_process=each,
        messages=count,
        floor=Floor(what=floor.what, per_second=round(floor.per_second, 1)),
        ratio=round(per_second / floor.per_second, 3),
    )
