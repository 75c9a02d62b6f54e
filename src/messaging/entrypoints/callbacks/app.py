"""The process that posts callbacks: fans events out, delivers them, and ends without leaving anything half done."""

import asyncio
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from msgspec import Struct

from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.observability.asgi import AsgiApp

log = logging.getLogger(__name__)

# Seconds between two looks: after one that found something, and at most after those that did not.
_BUSY, _IDLE = 0.01, 0.1
_AFTER_ERROR = 1.0
_HOUR = 3600.0
_MEASURED_EVERY = 15.0


class Deliver(Protocol):
    async def __call__(self, *, slow: bool) -> int: ...

    async def drain(self) -> None: ...


class CallbackDuties(Struct, frozen=True, kw_only=True):
    """`fan_out` returns how many events it dealt with. `watch` follows configuration until it is cancelled or fails."""

    fan_out: Callable[[], Awaitable[int]]
    deliver: Deliver
    measure: Callable[[], Awaitable[None]]
    drop_old_held: Callable[[], Awaitable[int]]
    watch: Callable[[], Awaitable[None]]


class CallbackTerms(Struct, frozen=True, kw_only=True):
    """Where the process tells its health, and how long an orderly end may take (seconds)."""

    host: str = "127.0.0.1"
    port: int = 0
    grace: float = 75.0
    bounds: HttpBounds = HttpBounds()


class CallbacksProcess:
    """Fan-out, delivery from both pools, housekeeping and the health listener, in one event loop."""

    def __init__(
        self, duties: CallbackDuties, *, operations: AsgiApp, telemetry: Telemetry, terms: CallbackTerms | None = None
    ) -> None:
        self._duties = duties
        self._operations = operations
        self._telemetry = telemetry
        self._terms = terms or CallbackTerms()
        self._stopping = asyncio.Event()

    async def run(self, *, ready: Callable[[int], None] | None = None) -> int:
        """Work until SIGTERM or SIGINT, drain, and return the exit code: 1 if the grace was too short.

        `ready` is told the health listener's port. A second signal ends the process on the spot, as a crash would.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled)
        terms = self._terms
        try:
            async with listening(
                self._operations, host=terms.host, port=terms.port, telemetry=self._telemetry, bounds=terms.bounds
            ) as port:
                log.info("listening", extra={"host": terms.host, "port": port})
                if ready is not None:
                    ready(port)
                return await self._work_until_stopped()
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Begins to drain."""
        self._stopping.set()

    def _signalled(self) -> None:
        if self._stopping.is_set():
            # What is under way is posted once more when its lane's lease is over.
            os._exit(1)
        self._stopping.set()

    async def _work_until_stopped(self) -> int:
        duties = self._duties
        looks = [
            asyncio.create_task(self._again("fan_out", duties.fan_out)),
            asyncio.create_task(self._again("deliver", partial(duties.deliver, slow=False))),
            asyncio.create_task(self._again("deliver_slow", partial(duties.deliver, slow=True))),
        ]
        keepers = [
            asyncio.create_task(self._keep_up("measure", duties.measure, _MEASURED_EVERY)),
            asyncio.create_task(self._keep_up("drop_old_held", duties.drop_old_held, _HOUR)),
            asyncio.create_task(self._keep_up("snapshots", duties.watch, 0.0)),
        ]
        log.info("callbacks.started")
        try:
            await self._stopping.wait()
            log.info("callbacks.draining")
            await asyncio.gather(*looks)
            return await self._drain()
        finally:
            await _cancel([*looks, *keepers])

    async def _drain(self) -> int:
        try:
            async with asyncio.timeout(self._terms.grace):
                await self._duties.deliver.drain()
        except TimeoutError:
            log.error("callbacks.drain_incomplete", extra={"grace_seconds": self._terms.grace})
            return 1
        log.info("callbacks.drained")
        return 0

    async def _again(self, name: str, look: Callable[[], Awaitable[int]]) -> None:
        """Looks again and again until the process is to end."""
        wait = _BUSY
        while not self._stopping.is_set():
            try:
                found = await look()
            except StoreUnavailable:
                log.warning("callbacks.store_unavailable", extra={"work": name, "store": "postgres"})
                wait = _AFTER_ERROR
            except Exception:
                log.exception("callbacks.failed", extra={"work": name})
                wait = _AFTER_ERROR
            else:
                wait = _BUSY if found else min(wait * 2, _IDLE)
            await self._pause(wait)

    async def _keep_up(self, name: str, work: Callable[[], Awaitable[object]], every: float) -> None:
        """Does a chore again and again. An error costs a pause, not the process. Ends by cancellation only."""
        while True:
            try:
                await work()
            except StoreUnavailable:
                log.warning("upkeep.store_unavailable", extra={"work": name, "store": "postgres"})
                await asyncio.sleep(_AFTER_ERROR)
            except Exception:
                log.exception("upkeep.failed", extra={"work": name})
                await asyncio.sleep(60 if every else _AFTER_ERROR)
            else:
                await asyncio.sleep(every)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass


async def _cancel(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
