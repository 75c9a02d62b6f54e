"""`app bench`: how fast is this machine with our platform on it, next to how fast it could be at all?"""

import os
import platform
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from messaging.entrypoints.bench.books import open_books
from messaging.entrypoints.bench.commits import commits_per_second
from messaging.entrypoints.bench.measurements import Measurements
from messaging.entrypoints.bench.report import Machine, Measured, Report
from messaging.entrypoints.dev.children import ChildProcess
from messaging.entrypoints.dev.client import LocalClient
from messaging.entrypoints.dev.keeper import Say
from messaging.entrypoints.dev.loopback import HOST, free_port
from messaging.entrypoints.dev.onboarding import Number, Onboarding, Plan, new_seed
from messaging.entrypoints.dev.ports import free_ports
from messaging.entrypoints.dev.seeding import admin_key_of
from messaging.entrypoints.dev.stack import Stack

_ORDER: Final = ("accept", "accept_batch", "deliver", "receipts", "loop")
# The provider's limits are not what is measured.
_UNLIMITED: Final = {
    "pair_limit": False,
    "throughput_mps": None,
    "callback_delay_min_ms": 5,
    "callback_delay_max_ms": 20,
}
_PLAN: Final = Plan(
    tenant="Bench", numbers=(Number(address="+15005550006", name="Bench", per_second=10_000),), refused=()
)
_COMMIT_SECONDS: Final = 2.0


async def run_bench(what: str, *, seconds: float, seed: int, concurrency: int, say: Say) -> Report:
    """`what` is one of the measurements or `all`; everything is stopped when this returns or is cancelled."""
    chosen = _ORDER if what == "all" else (what,)
    say("starting a platform of its own, with durable PostgreSQL …")
    async with (
        Stack(ports=free_ports(), say=say) as stack,
        _noop(stack) as noop,
    ):
        assert stack.postgres is not None
        async with LocalClient(stack.sandbox) as sandbox:
            await sandbox.post("/_control/settings", _UNLIMITED)
        onboard = Onboarding(api=stack.api, sandbox=stack.sandbox, plan=_PLAN, seed=new_seed(), say=lambda _: None)
        business = await onboard(await admin_key_of(stack))
        url = stack.postgres.url("messaging")
        commits = await commits_per_second(url, seconds=_COMMIT_SECONDS)
        measured: dict[str, Measured] = {}
        async with open_books(url) as books:
            measurements = Measurements(
                stack=stack,
                business=business,
                books=books,
                noop=noop,
                seconds=seconds,
                seed=seed,
                concurrency=concurrency,
            )
            for name in chosen:
                say(f"measuring {name} …")
                measured[name] = await getattr(measurements, name)()
        return Report(machine=_machine(stack.postgres.home), commits_per_second=round(commits, 1), measured=measured)


@asynccontextmanager
async def _noop(stack: Stack) -> AsyncIterator[str]:
    port = free_port()
    command = (sys.executable, "-P", "-m", "messaging.entrypoints.bench.noop", str(port))
    async with ChildProcess("noop", command, log=stack.home / "logs" / "noop.log") as child:
        await child.answers(f"http://{HOST}:{port}/healthz")
        yield f"http://{HOST}:{port}/"


def _machine(data: Path) -> Machine:
    return Machine(cpus=os.cpu_count() or 1, python=platform.python_version(), filesystem=_filesystem(data))


def _filesystem(path: Path) -> str:
    """The type of the file system `path` is on: figures from a tmpfs say nothing about durable commits."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    inside = [(point, kind) for point, kind in mounts if path.is_relative_to(point)]
    return max(inside, key=lambda mount: len(mount[0]))[1]
