"""Starts, watches and ends another program so that it never outlives this process."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import httpx

from messaging.entrypoints.lab.dev.processes.accounts import Account

_TIED_EXEC: Final = Path(__file__).with_name("tied_exec.py")
_POLL_SECONDS: Final = 0.02
_TAIL_BYTES: Final = 4_000


class ChildFailed(Exception):
    """A child ended, or did not become ready in time; the text carries the end of its log."""


class ChildProcess:
    """One child with its own session, so that Ctrl-C reaches only us and we decide the order of endings.

    Start it from a thread that lives as long as the child should: the kernel delivers `death_signal` when the
    *thread* that started it ends. `log` is appended to. `account` needs root.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._env = env
        self._cwd = cwd
        self._account = account
        self._stop_signal = stop_signal
        self._death_signal = death_signal
        self._process: subprocess.Popen[bytes] | None = None
        self.pids: list[int] = []
        """Of every start, the present one last."""

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while the child runs, negative for the signal that ended it."""
        return self._started().poll()

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, extra: Mapping[str, str] | None = None) -> None:
        """Starts the program, or starts it again after it ended; `extra` joins its environment for this time only."""
        if self.is_running:
            raise RuntimeError(f"{self.name} is already running")
        uid, gid = (self._account.uid, self._account.gid) if self._account else (-1, -1)
        tie = (str(self._death_signal.value), str(os.getpid()), str(uid), str(gid))
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_TIED_EXEC), *tie, *self._command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(extra or {}),
                cwd=self._cwd,
                start_new_session=True,
            )
        self.pids.append(self._process.pid)

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        return {**(os.environ if self._env is None else self._env), **extra}

    async def wait(self) -> int:
        """Wait for the end without blocking the loop; return the exit code."""
        while (code := self.exit_code) is None:
            await asyncio.sleep(_POLL_SECONDS)
        return code

    async def ready_when(self, probe: Callable[[], Awaitable[bool]], *, within: float = 30) -> None:
        """Return once `probe` answers true.

        Raises ChildFailed, with the end of the log, if the child ends first or `within` seconds pass.
        """
        deadline = time.monotonic() + within
        while not await probe():
            if (code := self.exit_code) is not None:
                raise ChildFailed(f"{self.name} ended with exit code {code} before it was ready\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.name} was not ready within {within:g} s\n{self.log_tail()}")
            await asyncio.sleep(_POLL_SECONDS)

    async def answers(self, url: str, *, within: float = 30, instance: str | None = None) -> None:
        """Return once GET `url` answers 2xx; raises as `ready_when` does.

        With `instance` the answer of another installation, which its `/healthz` tells, counts for nothing.
        """
        # Requests to this machine must not go through a proxy that the environment names.
        async with httpx.AsyncClient(trust_env=False, timeout=2) as client:

            async def probe() -> bool:
                try:
                    ours = instance is None or await _instance_at(client, url) == instance
                    return ours and (await client.get(url)).is_success
                except httpx.TransportError:
                    return False

            await self.ready_when(probe, within=within)

    async def stop(self, *, grace: float = 30, with_signal: signal.Signals | None = None) -> int | None:
        """Ask the child to end, kill it after `grace` seconds; return its exit code, None if it never started."""
        if self._process is None:
            return None
        if self.is_running:
            self.send(with_signal or self._stop_signal)
            try:
                async with asyncio.timeout(grace):
                    await self.wait()
            except TimeoutError:
                self.kill()
            except asyncio.CancelledError:
                self.kill()
                raise
        return await self.wait()

    def send(self, which: signal.Signals) -> None:
        """Send a signal to the child alone; nothing happens if it has ended."""
        self._started().send_signal(which)

    def kill(self) -> None:
        """SIGKILL the child and everything in its session; the exit code follows from `wait`."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def kill_if_running(self) -> None:
        """The last resort of a clean-up: kills, reaps, and never raises for a child that is gone."""
        if self._process is not None and self.is_running:
            self.kill()
            self._process.wait()

    def log_tail(self) -> str:
        """The last few kilobytes the child wrote, for error messages."""
        try:
            written = self.log.read_bytes()
        except FileNotFoundError:
            return ""
        return written[-_TAIL_BYTES:].decode(errors="replace")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def _instance_at(client: httpx.AsyncClient, url: str) -> str | None:
    """The installation that the process answering at `url` belongs to. Raises httpx.TransportError."""
    answer = await client.get(httpx.URL(url).join("/healthz"))
    try:
        told = answer.json()
    except ValueError:
        return None
    name = told.get("instance") if isinstance(told, dict) else None
    return name if isinstance(name, str) else None
