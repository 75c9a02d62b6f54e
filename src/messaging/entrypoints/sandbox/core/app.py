"""The sandbox's application: what all look-alikes share, and which of them answers a request."""

import asyncio
import fcntl
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec.structs import replace

from messaging.entrypoints.sandbox.core.control import Control, Handler
from messaging.entrypoints.sandbox.core.fates.faults import Faults
from messaging.entrypoints.sandbox.core.settings import SandboxConfig, Tuning
from messaging.entrypoints.sandbox.core.storage.append_log import AppendLog
from messaging.entrypoints.sandbox.core.storage.events import EventLog
from messaging.entrypoints.sandbox.core.storage.journal import Journal
from messaging.entrypoints.sandbox.core.storage.ledger import Ledger
from messaging.entrypoints.sandbox.core.webhooks import Delivery, Webhooks, read_mark
from messaging.entrypoints.sandbox.core.wire import (
    BodyTooLarge,
    Disconnected,
    Effect,
    Receive,
    Request,
    Scope,
    Send,
    json_reply,
    perform,
    read_request,
)
from messaging.entrypoints.sandbox.former_names import renamed, take_over


class StateInUse(Exception):
    """Another sandbox process owns the state directory."""


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What the look-alikes of one sandbox share."""

    journal: Journal
    ledger: Ledger
    events: EventLog
    webhooks: Webhooks
    faults: Faults
    tuning: Tuning
    host: str
    """Where to listen, for those that speak something else than HTTP."""


class LookAlike(Protocol):
    """One provider's look-alike."""

    @property
    def codes(self) -> Collection[int] | Collection[str]:
        """The error codes that the provider knows, numbers or words: a fault may answer with any of them."""

    def serves(self, request: Request) -> bool:
        """Whether the request is for this provider, by its path."""

    async def answer(self, request: Request) -> Effect:
        """The answer to a request that it serves."""

    def control(self, request: Request) -> Handler | None:
        """The handler of a control endpoint that only this provider has."""

    async def open(self) -> None:
        """Take up what was left when the last process on the state directory stopped."""

    async def close(self) -> None:
        """Wait for what is being written."""


BuildLookAlike = Callable[[Shared], LookAlike]


class Sandbox:
    """The ASGI application; from `open` to `close` it owns its state directory.

    A path that begins with a look-alike's name is for that one, with what follows: vendors' paths may be the same. Any
    other request is answered by the first look-alike that serves it.
    """

    def __init__(self, config: SandboxConfig, look_alikes: Mapping[str, BuildLookAlike]) -> None:
        config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(config.state_dir / "lock")
        self._stopping = asyncio.Event()
        self._instance = config.instance
        self._webhook_log, self._shared = _open_state(config)
        self._by_name = {name: build(self._shared) for name, build in look_alikes.items()}
        self._look_alikes = list(self._by_name.values())
        self._control = Control(
            ledger=self._shared.ledger,
            webhooks=self._shared.webhooks,
            webhook_log=self._webhook_log,
            faults=self._shared.faults,
            tuning=self._shared.tuning,
            journal=self._shared.journal,
            codes=frozenset(code for each in self._look_alikes for code in each.codes),
            own=[each.control for each in self._look_alikes],
            token=config.control_token,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        try:
            request = await read_request(scope, receive)
        except Disconnected:
            return
        except BodyTooLarge:
            too_large = json_reply(413, {"detail": "body too large"})
            await perform(too_large, scope, receive, send, stopping=self._stopping)
            return
        await perform(await self._answer(request), scope, receive, send, stopping=self._stopping)

    async def _answer(self, request: Request) -> Effect:
        first = request.parts[0] if request.parts else ""
        if first == "healthz":
            return self._health()
        if first.startswith("_"):
            return await self._control.handle(request)
        if (named := self._by_name.get(first)) is not None:
            own = replace(request, parts=request.parts[1:])
            if named.serves(own):
                return await named.answer(own)
        served = next((each for each in self._look_alikes if each.serves(request)), None)
        return (
            json_reply(404, {"detail": "no provider has this path"}) if served is None else await served.answer(request)
        )

    def _health(self) -> Effect:
        running = self._shared.webhooks.running
        status = "ok" if running else "webhooks stopped"
        told = {"status": status} | ({} if self._instance is None else {"instance": self._instance})
        return json_reply(200 if running else 503, told)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def open(self) -> None:
        """Take up where the last process on this state directory stopped, however it stopped."""
        shared = self._shared
        for line in self._webhook_log.lines():
            delivery = msgspec.json.decode(line, type=Delivery)
            shared.webhooks.note(delivery)
            for mark in delivery.marks:
                n, step = read_mark(mark)
                if step is None:
                    shared.events.settle(n)
                elif n < len(shared.ledger):
                    shared.ledger.settle(n, step)
        await shared.webhooks.open()
        for each in self._look_alikes:
            await each.open()

    def stop_hanging(self) -> None:
        """Cut off the requests that hang on purpose, so that a server need not wait for them."""
        self._stopping.set()

    async def close(self) -> None:
        """Stop posting and let go of the state directory; nothing undelivered is forgotten."""
        for each in self._look_alikes:
            await each.close()
        await self._shared.webhooks.close()
        await self._shared.events.close()
        await self._shared.ledger.log.close()
        await self._webhook_log.close()
        await self._shared.journal.close()
        os.close(self._lock)


def _open_state(config: SandboxConfig) -> tuple[AppendLog, Shared]:
    directory, tuning = config.state_dir, Tuning(config.settings)
    take_over(directory)
    journal = Journal(directory / "state.jsonl")
    for changes in journal.values("settings"):
        tuning.apply(renamed(msgspec.json.decode(changes, type=dict[str, object])))
    webhook_log = AppendLog(directory / "webhooks.jsonl", fsync=False)
    shared = Shared(
        journal=journal,
        ledger=Ledger(directory / "ledger.jsonl", fsync=config.fsync),
        events=EventLog(directory / "events.jsonl", fsync=config.fsync),
        webhooks=Webhooks(webhook_log, tuning),
        faults=Faults(),
        tuning=tuning,
        host=config.host,
    )
    return webhook_log, shared


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise StateInUse(f"{path.parent} is used by another sandbox") from error
    return fd
