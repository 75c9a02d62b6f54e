"""`app api`, `app webhooks` and `app worker` as real processes, each on a port of its own."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from msgspec import Struct

from messaging.entrypoints.lab.dev.processes.memory import resident_mib
from messaging.entrypoints.lab.dev.processes.ports import free_ports

APP = (sys.executable, "-P", "-m", "messaging.entrypoints.cli")
HOST = "127.0.0.1"


class Running(Struct, frozen=True, kw_only=True):
    name: str
    pid: int
    port: int
    admin_port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def mib(self) -> float:
        """Resident memory."""
        return resident_mib({self.name: self.pid})[self.name]


@asynccontextmanager
async def running(scratch: Path, environ: dict[str, str], *names: str) -> AsyncIterator[dict[str, Running]]:
    ports = free_ports()
    environ = environ | {"APP_API_ADMIN_PORT": str(ports.sandbox)}
    by_name = {"api": ports.api, "webhooks": ports.webhooks, "worker": ports.worker}
    async with AsyncExitStack() as stack:
        found = {}
        for name in names:
            found[name] = await stack.enter_async_context(_process(scratch, environ, name, by_name[name]))
        await asyncio.gather(*(_alive(process) for process in found.values()))
        yield found


@asynccontextmanager
async def _process(scratch: Path, environ: dict[str, str], name: str, port: int) -> AsyncIterator[Running]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("APP_")}
    with (scratch / f"{name}.log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            *(*APP, name, "--host", HOST, "--port", str(port)),
            env=inherited | environ,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        yield Running(name=name, pid=child.pid, port=port, admin_port=int(environ["APP_API_ADMIN_PORT"]))
        assert child.returncode is None, (scratch / f"{name}.log").read_text()[-2_000:]
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _alive(process: Running) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
        while True:
            try:
                if (await client.get("/healthz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
