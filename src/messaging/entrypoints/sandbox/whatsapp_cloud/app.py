"""The sandbox's application: its parts, and the answer to each request."""

import asyncio
import fcntl
import os
from pathlib import Path

import msgspec

from messaging.entrypoints.sandbox.core.append_log import AppendLog, LogBroken
from messaging.entrypoints.sandbox.core.control import Control
from messaging.entrypoints.sandbox.core.faults import REFUSED_MODES, Faults
from messaging.entrypoints.sandbox.core.journal import Journal
from messaging.entrypoints.sandbox.core.ledger import Ledger
from messaging.entrypoints.sandbox.core.settings import SandboxConfig, Tuning
from messaging.entrypoints.sandbox.core.webhooks import Delivery, Webhooks, read_mark
from messaging.entrypoints.sandbox.core.wire import (
    BodyTooLarge,
    Disconnected,
    Effect,
    Receive,
    Reply,
    Request,
    Scope,
    Send,
    json_reply,
    perform,
    read_request,
)
from messaging.entrypoints.sandbox.former_names import renamed, take_over
from messaging.entrypoints.sandbox.whatsapp_cloud.accounts import Accounts
from messaging.entrypoints.sandbox.whatsapp_cloud.control import BusinessControl
from messaging.entrypoints.sandbox.whatsapp_cloud.graph import Graph
from messaging.entrypoints.sandbox.whatsapp_cloud.graph_errors import REFUSALS, GraphError, unknown_path
from messaging.entrypoints.sandbox.whatsapp_cloud.limits import Throughput, Windows
from messaging.entrypoints.sandbox.whatsapp_cloud.sending.sends import Sends, accepted_effect, refused_effect
from messaging.entrypoints.sandbox.whatsapp_cloud.templates.templates import Templates
from messaging.entrypoints.sandbox.whatsapp_cloud.wa_ids import Wamids
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.envelopes import pack
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.events import Events
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.reviews import Reviews
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.statuses import Statuses


class StateInUse(Exception):
    """Another sandbox process owns the state directory."""


class Sandbox:
    """The ASGI application; between lifespan start and stop it owns its state directory."""

    def __init__(self, config: SandboxConfig) -> None:
        config.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(config.state_dir / "lock")
        self._tuning = Tuning(config.settings)
        self._faults = Faults()
        self._windows = Windows()
        self._throughput = Throughput()
        self._stopping = asyncio.Event()
        self._instance = config.instance
        self._open_state(config)
        self._start_engine(config)
        self._sends = self._wire_sends()
        self._graph = self._wire_graph()
        self._control = self._wire_control(config.control_token)

    def _open_state(self, config: SandboxConfig) -> None:
        directory = config.state_dir
        take_over(directory)
        self._journal = Journal(directory / "state.jsonl")
        for changes in self._journal.values("settings"):
            self._tuning.apply(renamed(msgspec.json.decode(changes, type=dict[str, object])))
        self._accounts = Accounts(self._journal)
        self._templates = Templates(self._journal)
        self._ledger = Ledger(directory / "ledger.jsonl", fsync=config.fsync, ids=Wamids())
        self._webhook_log = AppendLog(directory / "webhooks.jsonl", fsync=False)

    def _start_engine(self, config: SandboxConfig) -> None:
        self._webhooks = Webhooks(self._webhook_log, self._tuning, pack)
        self._events = Events(
            config.state_dir / "events.jsonl",
            fsync=config.fsync,
            accounts=self._accounts,
            webhooks=self._webhooks,
            windows=self._windows,
        )
        self._statuses = Statuses(self._ledger, self._events, self._accounts, self._webhooks, self._tuning)
        self._reviews = Reviews(self._templates, self._events, self._webhooks)

    def _wire_sends(self) -> Sends:
        return Sends(
            accounts=self._accounts,
            templates=self._templates,
            ledger=self._ledger,
            statuses=self._statuses,
            windows=self._windows,
            throughput=self._throughput,
            faults=self._faults,
            tuning=self._tuning,
        )

    def _wire_graph(self) -> Graph:
        return Graph(
            accounts=self._accounts,
            templates=self._templates,
            reviews=self._reviews,
            ledger=self._ledger,
            statuses=self._statuses,
            tuning=self._tuning,
        )

    def _wire_control(self, token: str | None) -> Control:
        own = BusinessControl(
            accounts=self._accounts,
            templates=self._templates,
            reviews=self._reviews,
            events=self._events,
            throughput=self._throughput,
            tuning=self._tuning,
        )
        return Control(
            ledger=self._ledger,
            webhooks=self._webhooks,
            webhook_log=self._webhook_log,
            faults=self._faults,
            tuning=self._tuning,
            journal=self._journal,
            codes=REFUSALS,
            own=own,
            token=token,
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
            await perform(too_large, scope, receive, send, version="", stopping=self._stopping)
            return
        try:
            effect = await self._answer(request)
        except GraphError as error:
            effect = error.reply()
        except LogBroken:
            effect = GraphError(131000, "The sandbox cannot write its ledger; look at its disk.").reply()
        await perform(effect, scope, receive, send, version=request.version, stopping=self._stopping)

    async def _answer(self, request: Request) -> Effect:
        parts = request.parts
        if len(parts) == 2 and parts[1] == "messages" and request.method == "POST":
            return self._with_usage(await self._sends.handle(request), parts[0])
        if not parts:
            raise unknown_path(parts)
        if parts[0] == "healthz":
            running = self._webhooks.running
            status = "ok" if running else "webhooks stopped"
            told = {"status": status} | ({} if self._instance is None else {"instance": self._instance})
            return json_reply(200 if running else 503, told)
        if parts[0].startswith("_"):
            return await self._control.handle(request)
        fault = self._faults.take(request.path, parts[0], None) if self._faults else None
        settings = self._tuning.current
        if fault is not None and fault.mode in REFUSED_MODES:
            return refused_effect(fault.mode, fault.params, settings)
        reply = await self._graph.handle(request)
        if fault is not None:
            return accepted_effect(fault.mode, fault.params, settings, reply)
        return self._with_usage(reply, parts[0])

    def _with_usage(self, effect: Effect, object_id: str) -> Effect:
        """Add the usage headers Meta sends with ordinary answers."""
        if not isinstance(effect, Reply):
            return effect
        found = self._accounts.phone(object_id)
        waba_id = found[0].waba_id if found else object_id
        headers = (
            (b"x-business-use-case-usage", _BUSINESS_USAGE % waba_id.encode()),
            (b"x-app-usage", b'{"call_count":0,"total_cputime":0,"total_time":0}'),
        )
        return Reply(effect.status, effect.body, effect.content_type, headers)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def open(self) -> None:
        """Take up where the last process on this state directory stopped, however it stopped."""
        for line in self._webhook_log.lines():
            delivery = msgspec.json.decode(line, type=Delivery)
            self._webhooks.note(delivery)
            for mark in delivery.marks:
                n, step = read_mark(mark)
                if step is None:
                    self._events.settle(n)
                elif n < len(self._ledger):
                    self._ledger.settle(n, step)
        await self._webhooks.open()
        self._events.resume()
        self._statuses.resume()
        self._reviews.resume()

    def stop_hanging(self) -> None:
        """Cut off the requests that hang on purpose, so that a server need not wait for them."""
        self._stopping.set()

    async def close(self) -> None:
        """Stop posting and let go of the state directory; nothing undelivered is forgotten."""
        await self._reviews.close()
        await self._statuses.close()
        await self._webhooks.close()
        await self._events.close()
        await self._ledger.log.close()
        await self._webhook_log.close()
        await self._journal.close()
        os.close(self._lock)


_BUSINESS_USAGE = (
    b'{"%s":[{"type":"whatsapp_business_management","call_count":1,"total_cputime":1,"total_time":1,'
    b'"estimated_time_to_regain_access":0},{"type":"whatsapp","call_count":1,"total_cputime":1,'
    b'"total_time":1,"estimated_time_to_regain_access":0}]}'
)


def create_app(config: SandboxConfig) -> Sandbox:
    """A sandbox on `config.state_dir`; raises `StateInUse` when another process has it."""
    return Sandbox(config)


def _lock(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise StateInUse(f"{path.parent} is used by another sandbox") from error
    return fd
