"""`app chaos`: checks every promise of the platform while everything that can fail fails."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import asyncpg
from msgspec import Struct
from msgspec.structs import replace

from messaging.entrypoints.lab.chaos.judging.callback_evidence import add_callbacks, told
from messaging.entrypoints.lab.chaos.judging.callback_invariants import CALLBACK_INVARIANTS
from messaging.entrypoints.lab.chaos.judging.evidence import ECHO_GRACE_SECONDS, Evidence
from messaging.entrypoints.lab.chaos.judging.figures import figures
from messaging.entrypoints.lab.chaos.judging.invariants import judge
from messaging.entrypoints.lab.chaos.judging.report import Report
from messaging.entrypoints.lab.chaos.storm import rest
from messaging.entrypoints.lab.chaos.storm.clients import Clients
from messaging.entrypoints.lab.chaos.storm.inflict import Inflict
from messaging.entrypoints.lab.chaos.storm.links import WORKERS, Links
from messaging.entrypoints.lab.chaos.storm.listening.audience import Audience
from messaging.entrypoints.lab.chaos.storm.listening.compressed import adjusting
from messaging.entrypoints.lab.chaos.storm.pace import Pace
from messaging.entrypoints.lab.chaos.storm.plan import SENDERS, TENANTS, Storm, draw
from messaging.entrypoints.lab.chaos.storm.planted import PLANTS
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.onboarding import Business, Number, Onboarding, Plan, new_seed
from messaging.entrypoints.lab.dev.processes.keeper import Say
from messaging.entrypoints.lab.dev.processes.loopback import HOST
from messaging.entrypoints.lab.dev.processes.ports import free_ports
from messaging.entrypoints.lab.dev.seeding import admin_key_of
from messaging.entrypoints.lab.dev.stack import Stack

# Leases and waits are short enough to end within a storm; the code that watches over them is the same.
_SETTINGS: Final = {
    "APP_LOG_LEVEL": "info",
    "APP_CLAIM_LEASE_SECONDS": "8",
    "APP_SENDING_LEASE_SECONDS": "12",
    "APP_ECHO_GRACE_SECONDS": str(ECHO_GRACE_SECONDS),
    "APP_RESEND_MIN_LATER_RECEIPTS": "5",
    "APP_RESEND_CLOCK_MARGIN_SECONDS": "1",
    # A storm leaves more sends unclear within minutes than an account otherwise does in hours.
    "APP_UNCLEAR_REQUESTS_PER_HOUR": "10000",
    "APP_CALLBACK_TIMEOUT_SECONDS": "5",
}


class Order(Struct, frozen=True, kw_only=True):
    """The storm to make: so many messages and faults, drawn from `seed`, over these `channels`.

    `evidence` is a file to keep what was found. `quiet_within` is the number of seconds after the storm within which
    everything must have come to rest. With `callbacks` somebody listens, and the process that tells them is met too.
    """

    messages: int = 20_000
    faults: int = 60
    seed: int
    planted: str | None = None
    evidence: Path | None = None
    quiet_within: float = 120.0
    channels: tuple[str, ...] = ("whatsapp", "sms", "email")
    callbacks: bool = False


def usual_channels(planted: str | None) -> tuple[str, ...]:
    """The channels of a storm for which none were asked."""
    return Order(seed=0).channels if planted is None else (PLANTS[planted].channel,)


def a_seed() -> int:
    return random.SystemRandom().randrange(1, 10**9)


async def run_chaos(order: Order, *, say: Say) -> Report:
    """Starts a platform, runs the storm on it, and judges. Everything is stopped when it returns."""

    def brief(text: str) -> None:
        """Shortens what is said: processes die all the time here, and the ends of their logs would drown the rest."""
        say(text.partition("\n")[0])

    more = free_ports()
    ports = replace(free_ports(), postgres=more.api, redis=more.webhooks)
    by_mail = "email" in order.channels
    links = Links(ports, planted=adjusting(order.planted), mail=by_mail, callbacks=order.callbacks)
    storm = draw(
        messages=order.messages,
        faults=order.faults,
        seed=order.seed,
        links=sorted(links.proxies),
        focus=PLANTS[order.planted].focus if order.planted else None,
        channels=order.channels,
        callbacks=order.callbacks,
    )
    await links.open()
    try:
        async with Stack(ports=ports, say=brief, overrides=_SETTINGS, adjust=links.adjust) as stack:
            if by_mail:
                await links.open_mail(await _mail_port(stack))
            await stack.add_worker(WORKERS[1], port=more.worker)
            worker_ports = dict(zip(WORKERS, (ports.worker, more.worker), strict=True))
            return await _Run(order, storm, stack, links, worker_ports, brief).judged()
    finally:
        await links.close()


async def _mail_port(stack: Stack) -> int:
    async with LocalClient(stack.sandbox) as sandbox:
        port: int = (await sandbox.get("/smtp"))["port"]
        return port


class _Run:
    """One storm over one running platform."""

    def __init__(
        self, order: Order, storm: Storm, stack: Stack, links: Links, worker_ports: dict[str, int], say: Say
    ) -> None:
        self._order = order
        self._storm = storm
        self._stack = stack
        self._links = links
        self._worker_ports = worker_ports
        self._say = say

    async def judged(self) -> Report:
        businesses = await self._onboarded()
        pace = Pace(url=self._database)
        audience = Audience(seed=self._order.seed, pace=pace)
        try:
            return await self._among(audience, businesses, pace)
        finally:
            await audience.close()

    async def _among(self, audience: Audience, businesses: tuple[Business, ...], pace: Pace) -> Report:
        if self._order.callbacks:
            await audience.subscribe(self._stack.api, businesses)
        api = f"http://{self._links.address('client', 'api')}"
        clients = Clients(api=api, businesses=businesses, storm=self._storm, pace=pace)
        async with LocalClient(self._stack.sandbox) as sandbox:
            inflict = Inflict(
                stack=self._stack, links=self._links, storm=self._storm, pace=pace, sandbox=sandbox, say=self._say
            )
            await inflict.calm()
            before = rest.held(self._processes())
            took = await self._pass_over(pace, clients, inflict)
            audience.calm()
            last = max((done.ended for done in inflict.done), default=time.time())
            # The connection is opened only now: a crash of the database ends every connection to it.
            async with self._superuser() as connection:
                waiting = await rest.until_quiescent(sandbox, connection, within=self._order.quiet_within)
                quiescent_after = None if waiting else time.time() - last
                evidence = Evidence(self._storm, businesses)
                await evidence.add_platform(connection)
                await add_callbacks(evidence.database, audience.listeners, connection)
                evidence.add_rest(rest.grown(before, rest.held(self._processes())))
                evidence.add_rest(await rest.busy(connection, self._listeners()))
        self._complete(evidence, clients, inflict)
        return self._report(evidence, clients, inflict, took, quiescent_after, waiting)

    async def _pass_over(self, pace: Pace, clients: Clients, inflict: Inflict) -> float:
        """Runs the storm itself; returns how many seconds it took."""
        self._say(f"storm of {self._storm.seconds:.0f} s begins")
        began = time.monotonic()
        pace.begin()
        keeping = asyncio.create_task(pace.keep())
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(clients.run())
                group.create_task(inflict.run())
        finally:
            keeping.cancel()
        return time.monotonic() - began

    def _complete(self, evidence: Evidence, clients: Clients, inflict: Inflict) -> None:
        evidence.add_clients(clients.answers)
        evidence.add_provider(self._stack.home / "sandbox")
        evidence.add_faults(inflict.done)
        evidence.add_processes({name: keeper.child.pids for name, keeper in self._stack.keepers.items()})
        evidence.add_logs((self._stack.home / "logs").glob("*.log"))
        evidence.complete()
        if self._order.evidence is not None:
            evidence.save(self._order.evidence)

    def _report(
        self,
        evidence: Evidence,
        clients: Clients,
        inflict: Inflict,
        took: float,
        quiescent_after: float | None,
        waiting: str,
    ) -> Report:
        return Report(
            seed=self._storm.seed,
            planted=self._order.planted,
            messages_planned=self._order.messages,
            storm_seconds=took,
            quiescent_after=quiescent_after,
            still_waiting=waiting,
            faults=dict(Counter(done.kind for done in inflict.done)),
            answers=clients.tries,
            unanswered=len(clients.unanswered),
            figures=figures(evidence.database),
            told=told(evidence.database),
            invariants=(*judge(evidence.database), *judge(evidence.database, CALLBACK_INVARIANTS)),
        )

    def _processes(self) -> dict[str, int]:
        return {name: keeper.child.pid for name, keeper in self._stack.keepers.items()}

    def _listeners(self) -> dict[str, str]:
        """The addresses at which our processes tell their metrics."""
        workers = {name: f"http://{HOST}:{port}" for name, port in self._worker_ports.items()}
        return {**workers, "api": self._stack.api, "webhooks": self._stack.webhooks}

    @property
    def _database(self) -> str:
        """A connection that bypasses the proxies and row-level security."""
        assert self._stack.postgres is not None
        return self._stack.postgres.url("messaging")

    @asynccontextmanager
    async def _superuser(self) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        connection = await asyncpg.connect(self._database)
        try:
            yield connection
        finally:
            await connection.close()

    async def _onboarded(self) -> tuple[Business, ...]:
        admin_key = await admin_key_of(self._stack)
        return tuple([await self._onboard(admin_key, tenant) for tenant in range(TENANTS)])

    async def _onboard(self, admin_key: str, tenant: int) -> Business:
        numbers = tuple(
            Number(address=f"+1500555{tenant}{index:03d}", name=f"Storm {tenant}.{index}", per_second=1_000)
            for index in range(SENDERS)
        )
        others = tuple(channel for channel in self._order.channels if channel != "whatsapp")
        plan = Plan(tenant=f"Storm {tenant}", numbers=numbers, refused=(), others=others)
        onboard = Onboarding(
            api=self._stack.api, sandbox=self._stack.sandbox, plan=plan, seed=new_seed(), say=lambda _: None
        )
        return await onboard(admin_key)
