"""Starts a child process again when it dies."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from messaging.entrypoints.lab.dev.processes.children import ChildFailed, ChildProcess

Say = Callable[[str], None]

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0
_STEADY_SECONDS: Final = 10.0


class Keeper:
    """Keeps one child running: after `kill -9` it is back within a second; one that keeps failing is started less
    often.

    `exits` are the codes with which it ended by itself, oldest first. `instance` is what its `/healthz` must say, so
    that a stranger on its port is not taken for it.
    """

    def __init__(self, child: ChildProcess, *, ready_url: str, instance: str, say: Say) -> None:
        self.child = child
        self._ready_url = ready_url
        self._instance = instance
        self._say = say
        self._keeping: asyncio.Task[None] | None = None
        self.exits: list[int] = []

    async def start(self) -> None:
        """Starts the child, waits until it is ready, and looks after it from then on. Raises ChildFailed."""
        self.child.start()
        await self.child.answers(self._ready_url, instance=self._instance)
        self._keeping = asyncio.create_task(self._keep({}))

    async def restart(self, extra: Mapping[str, str], *, for_ever: bool = False) -> None:
        """Kills the child and starts it with further settings, which hold for this start only or for later ones too.

        Returns at once: with such settings it may never become ready.
        """
        await self._stop_keeping()
        self.child.kill_if_running()
        self.child.start(extra)
        self._keeping = asyncio.create_task(self._keep(extra if for_ever else {}))

    async def stop(self, *, grace: float = 30) -> None:
        """Lets the child finish its work and end."""
        await self._stop_keeping()
        try:
            await self.child.stop(grace=grace)
        finally:
            self.child.kill_if_running()

    def kill(self) -> None:
        """Kills the child at once, as a last resort; it is not started again."""
        if self._keeping is not None:
            self._keeping.cancel()
        self.child.kill_if_running()

    async def _stop_keeping(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})

    async def _keep(self, extra: Mapping[str, str]) -> None:
        pause = _FIRST_PAUSE
        while True:
            since = time.monotonic()
            code = await self.child.wait()
            self.exits.append(code)
            if time.monotonic() - since > _STEADY_SECONDS:
                pause = _FIRST_PAUSE
            self._say(f"{self.child.name} ended ({_how(code)}); starting it again")
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
            self.child.start(extra)
            try:
                await self.child.answers(self._ready_url, instance=self._instance)
            except ChildFailed as failure:
                self._say(str(failure))
                self.child.kill_if_running()
            else:
                self._say(f"{self.child.name} is back (pid {self.child.pid})")


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
