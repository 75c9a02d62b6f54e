"""The platform under measurement: puts load on it, and reads its work, time and memory."""

import asyncio
import itertools
import sys
import time
from collections.abc import Mapping
from random import Random
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.entrypoints.composition.providers import PROVIDERS
from messaging.entrypoints.lab.bench.report import Floor, MeasurementFailed
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.books import Books
from messaging.entrypoints.lab.bench.rig.cpu import seconds_by_process
from messaging.entrypoints.lab.bench.rig.generator import Job, Result
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.onboarding import Business, Number, Onboarding, Plan, new_seed
from messaging.entrypoints.lab.dev.processes.loopback import free_port
from messaging.entrypoints.lab.dev.processes.memory import resident_mib
from messaging.entrypoints.lab.dev.stack import Stack

_PYTHON: Final = (sys.executable, "-P", "-m")
_GENERATOR: Final = "messaging.entrypoints.lab.bench.rig.generator"
_CLIENT_FLOOR: Final = "messaging.entrypoints.lab.bench.floors.client_floor"
_FLOOR_SECONDS: Final = 3.0
_SETTLE_SECONDS: Final = 300.0
_NUMBERS_PER_JOB: Final = 200_000
_FIRST_NUMBERS: Final = 10_000
_PARALLEL_BATCHES: Final = 4
UNLIMITED_MPS: Final = 10_000
WARM_UP_SECONDS: Final = 1.0


class Order(Struct, frozen=True, kw_only=True):
    """The sizes that were asked for; None where each measurement has its own default.

    Backlogs are made of messages of all `channels` in turn, single calls of the first one.
    """

    seconds: float | None = None
    rate: float = 400.0
    n: int | None = None
    seed: int = 1
    concurrency: int = 64
    channels: tuple[str, ...] = ("whatsapp",)

    @property
    def others(self) -> tuple[str, ...]:
        """The channels besides WhatsApp."""
        return tuple(channel for channel in self.channels if channel != "whatsapp")


class Rig:
    """One running platform. Each measurement finds it without due work and leaves it so."""

    def __init__(self, *, stack: Stack, admin_key: str, business: Business, books: Books, noop: str, order: Order):
        self.stack = stack
        self.business = business
        self.books = books
        self.order = order
        self._admin_key = admin_key
        self._noop = noop
        # Each job has numbers of its own, so that no recipient and no idempotency key is used twice.
        self._numbers = itertools.count(Random(order.seed).randrange(_FIRST_NUMBERS), _NUMBERS_PER_JOB)
        self._workers = ["worker"]

    # --- load ---------------------------------------------------------------------------------------------------------

    def job(
        self,
        body: str,
        *,
        seconds: float,
        path: str = "/v1/messages",
        business: Business | None = None,
        rate: float | None = None,
        concurrency: int | None = None,
    ) -> Job:
        """A job that posts `body` to the API over and over, as the bench's tenant unless another is given."""
        sender = business or self.business
        headers = {"authorization": f"Bearer {sender.api_key}", "idempotency-key": f"bench-{sender.seed.id}-{{n}}"}
        return Job(
            urls=(self.stack.api + path,),
            bodies=(body,),
            concurrency=concurrency or self.order.concurrency,
            seconds=seconds,
            rate=rate,
            first_number=next(self._numbers),
            headers=headers,
        )

    async def generate(self, job: Job) -> Result:
        """Runs the generator. Raises MeasurementFailed unless every answer was 2xx."""
        result = await self._run(_GENERATOR, job)
        if result.others or not result.answered:
            raise MeasurementFailed(
                f"{job.urls[0]} answered {result.answered} times with 2xx, otherwise {result.others}"
            )
        return result

    async def warm_up(self, job: Job) -> None:
        await self.generate(msgspec.structs.replace(job, seconds=WARM_UP_SECONDS, first_number=next(self._numbers)))

    async def noop_floor(self, job: Job, *, per_request: int = 1) -> Floor:
        """The floor of accepting: the same load on an endpoint that only decodes and answers."""
        result = await self.generate(
            msgspec.structs.replace(job, urls=(self._noop,), seconds=_FLOOR_SECONDS, rate=None)
        )
        return Floor(what="no-op endpoint, same body", per_second=result.per_second * per_request)

    async def client_floor(self) -> Floor:
        """The floor of sending: the worker's HTTP client in a bare loop against the sandbox, with WhatsApp's body."""
        job = Job(
            urls=(f"{self.stack.sandbox}/v25.0/{self.business.phone_number_ids[0]}/messages",),
            bodies=(bodies.graph(),),
            concurrency=self.order.concurrency,
            seconds=_FLOOR_SECONDS,
            headers={"authorization": f"Bearer {self.business.seed.access_token}"},
            first_number=next(self._numbers),
        )
        await self.sandbox(drop_probability=1.0)
        result = await self._run(_CLIENT_FLOOR, job)
        return Floor(what="httpx loop against the sandbox, same body", per_second=result.per_second)

    async def queue(self, count: int, *, business: Business | None = None, priority: str | None = None) -> None:
        """Submits about `count` messages in batches."""
        batches = [bodies.batch(priority=priority, channel=channel) for channel in self.order.channels]
        job = self.job(batches[0], seconds=_SETTLE_SECONDS, path="/v1/messages/batch", business=business)
        posts = tuple(itertools.islice(itertools.cycle(batches), max(1, round(count / bodies.BATCH))))
        await self.generate(msgspec.structs.replace(job, bodies=posts, once=True, concurrency=_PARALLEL_BATCHES))

    async def _run(self, module: str, job: Job) -> Result:
        process = await asyncio.create_subprocess_exec(
            *_PYTHON,
            module,
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
            name = module.rpartition(".")[2]
            raise MeasurementFailed(f"the {name} ended with exit code {process.returncode}; its own words are above")
        return msgspec.json.decode(printed, type=Result)

    # --- the platform -------------------------------------------------------------------------------------------------

    async def workers(self, count: int) -> None:
        """Starts or stops workers until the given number runs; those that stop drain first."""
        while len(self._workers) > count:
            await self.stack.stop(self._workers.pop())
        names = [f"worker-{number}" if number > 1 else "worker" for number in range(len(self._workers) + 1, count + 1)]
        await asyncio.gather(*(self.stack.add_worker(name, port=free_port()) for name in names))
        self._workers += names

    async def sandbox(self, **settings: float | None) -> None:
        async with LocalClient(self.stack.sandbox) as sandbox:
            await sandbox.post("/_control/settings", settings)

    async def onboard(self, name: str, *, per_second: int = UNLIMITED_MPS) -> Business:
        return await onboard(self.stack, self._admin_key, name, per_second=per_second)

    async def all_told(self) -> None:
        """Waits until nothing is due and the sandbox has sent all its webhooks."""
        await self.books.nothing_due(within=_SETTLE_SECONDS)
        async with LocalClient(self.stack.sandbox) as sandbox:
            give_up_at = time.monotonic() + _SETTLE_SECONDS
            while (await sandbox.get("/_webhooks", limit=1))["pending"]:
                if time.monotonic() > give_up_at:
                    raise MeasurementFailed("the sandbox still has webhooks to post")
                await asyncio.sleep(0.1)
        await self.books.webhooks_processed(within=_SETTLE_SECONDS)

    @property
    def last_word(self) -> str:
        """The state that a message of the first channel reaches when all goes well and nobody reads it."""
        channel = self.order.channels[0]
        carriers = [provider for provider in PROVIDERS if channel in provider.channels]
        return "delivered" if any(provider.capabilities.confirms_delivery for provider in carriers) else "sent"

    def cpu(self) -> dict[str, float]:
        return seconds_by_process(self.stack.pids)

    def memory(self) -> Mapping[str, float]:
        """Resident memory of the processes that a leak or an unbounded queue would show in."""
        pids = self.stack.pids
        return resident_mib({name: pid for name, pid in pids.items() if name in ("api", "worker")})


async def onboard(
    stack: Stack, admin_key: str, name: str, *, per_second: int = UNLIMITED_MPS, others: tuple[str, ...] = ()
) -> Business:
    """Onboards a tenant with one sender of its own on WhatsApp, and on each of the other channels."""
    number = Number(address="+15005550006", name=name, per_second=per_second)
    plan = Plan(tenant=name, numbers=(number,), refused=(), others=others, others_per_second=per_second)
    onboarding = Onboarding(api=stack.api, sandbox=stack.sandbox, plan=plan, seed=new_seed(), say=lambda _: None)
    return await onboarding(admin_key)


def uuid_of(business: Business) -> UUID:
    """The id of the business's tenant, as the database has it."""
    tenant = parse_typeid(Prefix.TENANT, business.tenant)
    assert tenant is not None
    return tenant
