"""Does each kind of fault to a running platform, and undoes it."""

import asyncio
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from messaging.entrypoints.lab.chaos.storm.links import Links
from messaging.entrypoints.lab.chaos.storm.pace import Pace
from messaging.entrypoints.lab.chaos.storm.plan import Fault, Storm
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.processes.children import ChildProcess
from messaging.entrypoints.lab.dev.processes.keeper import Say
from messaging.entrypoints.lab.dev.servers.postgres import Shutdown
from messaging.entrypoints.lab.dev.stack import Stack

_PATIENCE: Final = 20.0
_BUSY_WITHIN: Final = 3.0
_STRUCK_WITHIN: Final = 4.0
_LOOK: Final = 0.1
# Behaviour of the sandbox between faults: quick, unlimited, and never silent for so long that a storm waits for it.
CALM: Final[dict[str, Any]] = {
    "pair_limit": False,
    "throughput_mps": None,
    "webhook_delay_min_ms": 5,
    "webhook_delay_max_ms": 80,
    "webhook_late_ms": 2_000,
    "webhook_timeout_ms": 3_000,
    "webhook_retry_max_ms": 1_000,
    "slow_ms": 1_000,
    "hang_max_ms": 2_500,
    "duplicate_probability": 0.01,
    "reorder_probability": 0.01,
    "drop_probability": 0.0,
}
_WEBHOOKS: Final[dict[str, dict[str, Any]]] = {
    "duplicate": {"duplicate_probability": 0.6},
    "reorder": {"reorder_probability": 0.6},
    "drop": {"drop_probability": 0.05},
    "delay": {"webhook_delay_min_ms": 500, "webhook_delay_max_ms": 4_000},
}


# In the path of every provider's sends: `/messages`, `/Messages.json`.
_SENDING: Final = "essages"


class Inflicted(Struct, frozen=True, kw_only=True):
    """A fault that was done. Times are epoch seconds; `hit` tells how much of its target it met; `pid` is the process
    it was done to, if it was one.
    """

    kind: str
    target: str
    began: float
    ended: float
    hit: int
    pid: int | None = None


class Inflict:
    """Does a storm's faults at their moments. Faults of one thing wait for each other, others overlap."""

    def __init__(self, *, stack: Stack, links: Links, storm: Storm, pace: Pace, sandbox: LocalClient, say: Say) -> None:
        self.done: list[Inflicted] = []
        self._stack = stack
        self._links = links
        self._storm = storm
        self._pace = pace
        self._sandbox = sandbox
        self._say = say
        self._fair_share: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def run(self) -> None:
        """Returns when the last fault is over and everything behaves again."""
        async with asyncio.TaskGroup() as group:
            for fault in self._storm.faults:
                await self._pace.until(fault.at)
                group.create_task(self._one(fault))
        await self.calm()

    async def calm(self) -> None:
        self._links.heal()
        await self._sandbox.post("/_control/settings", CALM)
        await self._sandbox.delete("/_control/faults")

    async def _one(self, fault: Fault) -> None:
        async with self._fair_share["provider" if fault.kind == "provider" else fault.target]:
            began = time.time()
            hit, pid = await self._inflict(fault)
            done = Inflicted(kind=fault.kind, target=fault.target, began=began, ended=time.time(), hit=hit, pid=pid)
            self.done.append(done)
            when = f"{fault.at:6.1f} of {self._storm.seconds:.0f} s"
            self._say(f"{when}  {fault.kind} {fault.target} ({done.ended - began:.1f} s, hit {hit})")

    async def _inflict(self, fault: Fault) -> tuple[int, int | None]:
        """Does one fault; returns what it met, and the process it was done to."""
        if fault.kind in ("kill", "terminate", "freeze"):
            return 1, await self._process(fault)
        return await self._other(fault), None

    async def _other(self, fault: Fault) -> int:
        match fault.kind:
            case "kill_redis" | "flush":
                return await self._redis(fault)
            case "stop_database":
                return await self._stop_database(fault)
            case "provider":
                return await self._provider(fault)
            case "webhooks":
                await self._sandbox.post("/_control/settings", _WEBHOOKS[fault.target])
                await asyncio.sleep(fault.seconds)
                calm = {name: CALM[name] for name in _WEBHOOKS[fault.target]}
                await self._sandbox.post("/_control/settings", calm)
                return 1
            case _:
                return await self._link(fault)

    async def _process(self, fault: Fault) -> int:
        """Kills or stops a process, and starts it again. Returns its process id."""
        child = await self._running(fault.target)
        pid = child.pid
        match fault.kind:
            case "kill" if fault.target == "sandbox":
                child.kill()
                # Until the process is back, requests still go out over connections that nobody serves.
                await child.wait()
                await self._sandbox.get("/healthz")
            case "kill":
                child.kill()
            case "terminate":
                child.send(signal.SIGTERM)
            case _:
                child.send(signal.SIGSTOP)
                try:
                    await asyncio.sleep(fault.seconds)
                finally:
                    child.send(signal.SIGCONT)
        return pid

    async def _running(self, name: str) -> ChildProcess:
        """The running process of that name; one that was hit a moment ago is started again first."""
        child = self._stack.keepers[name].child
        give_up_at = time.monotonic() + _PATIENCE
        while not child.is_running and time.monotonic() < give_up_at:
            await asyncio.sleep(0.05)
        return child

    async def _stop_database(self, fault: Fault) -> int:
        """Stops the database, often in the middle of sending and some milliseconds after everybody but the workers has
        paused.

        Any durable commit carries with it whatever was committed before. With the others paused, a worker's commit is
        on disk by its own doing or not at all.
        """
        postgres = self._stack.postgres
        assert postgres is not None
        others = [keeper.child for name, keeper in self._stack.keepers.items() if name in ("api", "webhooks")]
        if fault.amount:
            await self._sending()
            _send(others, signal.SIGSTOP)
            await asyncio.sleep(fault.amount / 1_000)
        try:
            await postgres.stop(Shutdown.IMMEDIATE)
        finally:
            _send(others, signal.SIGCONT)
        await asyncio.sleep(fault.seconds)
        await postgres.start()
        return 1

    async def _sending(self) -> None:
        """Waits until the provider accepts something, at most for a while."""
        ledger = self._stack.home / "sandbox" / "ledger.jsonl"
        size, give_up_at = _size(ledger), time.monotonic() + _BUSY_WITHIN
        while _size(ledger) == size and time.monotonic() < give_up_at:
            await asyncio.sleep(0.002)

    async def _redis(self, fault: Fault) -> int:
        redis = self._stack.redis
        assert redis is not None
        if fault.kind == "flush":
            await redis.flush()
            return 1
        await redis.kill()
        await asyncio.sleep(fault.seconds)
        await redis.start()
        return 1

    async def _provider(self, fault: Fault) -> int:
        body = {"mode": fault.target, "times": fault.amount, "match": {"path": _SENDING}}
        await self._sandbox.post("/_control/faults", body)
        struck, give_up_at = 0, time.monotonic() + max(fault.seconds, _STRUCK_WITHIN)
        while struck < fault.amount and time.monotonic() < give_up_at:
            await asyncio.sleep(_LOOK)
            listed = await self._sandbox.get("/_control/faults")
            struck = sum(view["struck"] for view in listed["data"])
        # A fault that has not struck by now must not strike when nobody expects it any more.
        await self._sandbox.delete("/_control/faults")
        return struck

    async def _link(self, fault: Fault) -> int:
        proxy = self._links.proxies[fault.target]
        before = proxy.struck
        match fault.kind:
            case "cut":
                return proxy.cut()
            case "half_close":
                return proxy.half_close()
            case "limit":
                proxy.limit(fault.amount)
            case "delay":
                proxy.delay = fault.amount / 1_000
            case "swallow":
                proxy.swallows = True
            case _:
                proxy.refuses = True
                proxy.cut()
        met = len(proxy.connections)
        await asyncio.sleep(fault.seconds)
        proxy.heal()
        return max(met, proxy.struck - before)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _send(children: Iterable[ChildProcess], number: signal.Signals) -> None:
    for child in children:
        if child.is_running:
            child.send(number)
