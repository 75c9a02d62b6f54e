"""`app bench`: measures this machine with our platform on it, next to how fast it could be without."""

import os
import platform
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from messaging.entrypoints.lab.bench.measurements.accept import accept, accept_batch
from messaging.entrypoints.lab.bench.measurements.deliver import deliver
from messaging.entrypoints.lab.bench.measurements.fairness import fairness
from messaging.entrypoints.lab.bench.measurements.growth import growth
from messaging.entrypoints.lab.bench.measurements.limits import limits
from messaging.entrypoints.lab.bench.measurements.memory import memory
from messaging.entrypoints.lab.bench.measurements.receipts import receipts
from messaging.entrypoints.lab.bench.measurements.round_trips.callbacks import callbacks
from messaging.entrypoints.lab.bench.measurements.round_trips.loop import loop
from messaging.entrypoints.lab.bench.measurements.scale import scale
from messaging.entrypoints.lab.bench.report import Findings, Machine, Report, medians, together
from messaging.entrypoints.lab.bench.rig.books import open_books
from messaging.entrypoints.lab.bench.rig.rig import Order, Rig, onboard
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.processes.children import ChildProcess
from messaging.entrypoints.lab.dev.processes.keeper import Say
from messaging.entrypoints.lab.dev.processes.loopback import HOST, free_port
from messaging.entrypoints.lab.dev.processes.ports import free_ports
from messaging.entrypoints.lab.dev.seeding import admin_key_of
from messaging.entrypoints.lab.dev.stack import Launch, Stack

STANDARD: Final = ("accept", "accept_batch", "deliver", "receipts", "loop")
_MEASUREMENTS: Final[Mapping[str, Callable[[Rig], Awaitable[Findings]]]] = MappingProxyType(
    {
        "accept": accept,
        "accept_batch": accept_batch,
        "deliver": deliver,
        "receipts": receipts,
        "loop": loop,
        "memory": memory,
        "scale": scale,
        "fairness": fairness,
        "limits": limits,
        "growth": growth,
        "callbacks": callbacks,
    }
)
# Limits of the provider are not measured, except where a sender has one of its own.
_UNLIMITED: Final = {
    "pair_limit": False,
    "throughput_mps": None,
    "webhook_delay_min_ms": 5,
    "webhook_delay_max_ms": 20,
}


async def run_bench(what: Sequence[str], order: Order, *, runs: int, say: Say) -> Report:
    """`what` names measurements, `all` the standard ones; one platform serves all of them, one after the other.

    Everything is stopped when this returns or is cancelled.
    """
    chosen = dict.fromkeys(name for each in what for name in (STANDARD if each == "all" else (each,)))
    say("starting a platform of its own, with durable PostgreSQL …")
    async with _rig(order, say) as rig:
        findings = [await _repeated(rig, name, runs, say) for name in chosen]
        assert rig.stack.postgres is not None
        return Report(machine=_machine(rig.stack.postgres.home), runs=runs, findings=together(findings))


async def _repeated(rig: Rig, name: str, runs: int, say: Say) -> Findings:
    found = []
    for number in range(1, runs + 1):
        say(f"measuring {name}" + (f", run {number} of {runs} …" if runs > 1 else " …"))
        found.append(await _MEASUREMENTS[name](rig))
    return medians(found)


@asynccontextmanager
async def _rig(order: Order, say: Say) -> AsyncIterator[Rig]:
    async with Stack(ports=free_ports(), say=say, adjust=_on_a_disk_of_its_own) as stack, _noop(stack) as noop:
        assert stack.postgres is not None
        async with LocalClient(stack.sandbox) as sandbox:
            await sandbox.post("/_control/settings", _UNLIMITED)
        admin_key = await admin_key_of(stack)
        business = await onboard(stack, admin_key, "Bench", others=order.others)
        async with open_books(stack.postgres.url("messaging")) as books:
            await books.recycle_wal()
            yield Rig(stack=stack, admin_key=admin_key, business=business, books=books, noop=noop, order=order)


async def _on_a_disk_of_its_own(launch: Launch) -> Launch:
    """Lets the sandbox write without flushing: a provider's ledger is not on the disk that our commits wait for."""
    return replace(launch, command=(*launch.command, "--no-fsync")) if launch.name == "sandbox" else launch


@asynccontextmanager
async def _noop(stack: Stack) -> AsyncIterator[str]:
    port = free_port()
    command = (sys.executable, "-P", "-m", "messaging.entrypoints.lab.bench.floors.noop", str(port))
    async with ChildProcess("noop", command, log=stack.home / "logs" / "noop.log") as child:
        await child.answers(f"http://{HOST}:{port}/healthz")
        yield f"http://{HOST}:{port}/"


def _machine(data: Path) -> Machine:
    return Machine(cpus=os.cpu_count() or 1, python=platform.python_version(), filesystem=_filesystem(data))


def _filesystem(path: Path) -> str:
    """The type of the file system that `path` is on: figures from a tmpfs tell nothing about durable commits."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [(point, kind) for point, kind in mounts if path.is_relative_to(point)]
    return max(inside, key=lambda mount: len(mount[0]))[1]
