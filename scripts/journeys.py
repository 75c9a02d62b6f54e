"""Count what one message passes through: our own functions, files and nested calls, stage by stage.

    make journeys                    the table
    make journeys ARGS=--tree        also every call, indented below its caller
    make journeys ARGS=--check       exit code 1 if the delivery is larger than its bounds

A platform starts with real PostgreSQL, Redis and sandbox. api, webhooks and worker then run in this process, and
`sys.setprofile` reports their calls. Each journey is taken a few times to fill caches and pools, and once more to be
recorded. Counted are functions under src/messaging; comprehensions, libraries and the sandbox are not. A chain is how
many of our functions wait for each other at one moment, within one task. What runs beside the journey (watching the
configuration, heartbeats, retention) is left out, whenever it happens.
"""

import argparse
import asyncio
import io
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, redirect_stderr
from contextvars import ContextVar
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, cast

import asyncpg
import uvloop

import messaging
from messaging.application.wakeups import DeliverLane, ProcessWebhooks, Wakeup
from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.entrypoints.api.app import create_app as create_api
from messaging.entrypoints.api.app import watch_store
from messaging.entrypoints.cli.processes.worker import worker_dependencies
from messaging.entrypoints.cli.surroundings import provider_settings
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.providers import PROVIDERS
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.composition.terms import http_bounds
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.lab.dev.client import LocalClient
from messaging.entrypoints.lab.dev.processes.loopback import HOST
from messaging.entrypoints.lab.dev.processes.ports import free_ports
from messaging.entrypoints.lab.dev.seeding import PLAN, seeded
from messaging.entrypoints.lab.dev.stack import Launch, Stack
from messaging.entrypoints.observability.asgi import AsgiApp
from messaging.entrypoints.observability.logs import configure_logging
from messaging.entrypoints.observability.redaction import redaction_of
from messaging.entrypoints.settings.settings import Settings, load
from messaging.entrypoints.webhooks.app import create_app as create_webhooks
from messaging.entrypoints.worker.app import WorkerProcess
from messaging.entrypoints.worker.handlers import WakeupRunner

SOURCES: Final = str(Path(messaging.__file__).parent)
# Python 3.12 runs comprehensions without a call of their own.
NO_FUNCTIONS: Final = frozenset({"<module>", "<listcomp>", "<dictcomp>", "<setcomp>", "<genexpr>"})
# Functions, files and chain of one warm delivery, at most (docs/decisions/0031).
BOUNDS: Final = (260, 57, 13)
BOUNDED: Final = "deliver"
# What the worker's tasks begin with tells what they are for; None is what runs beside the journeys. The runner's first
# argument after itself is the wakeup.
JOBS: Final[Mapping[type[Wakeup], str]] = {DeliverLane: "deliver", ProcessWebhooks: "process"}
DOORS: Final[Mapping[CodeType, Callable[[FrameType], str | None]]] = {
    WorkerProcess._relay_for_ever.__code__: lambda _: "relay",
    WorkerProcess._keep_up.__code__: lambda _: None,
    WakeupRunner._run.__code__: lambda frame: JOBS.get(type(frame.f_locals[frame.f_code.co_varnames[1]])),
}
WARM_UPS: Final = 2
AREAS: Final = (202, 206, 212, 213, 214, 303, 305, 310, 312, 404, 415, 503, 512, 602, 617, 702, 713, 718, 773, 808)
PATIENCE_SECONDS: Final = 60.0
# After the last visible change: what the stages still do behind it.
SETTLING_SECONDS: Final = 0.3

stage_of_task: ContextVar[str | None] = ContextVar("stage", default=None)


class Call:
    """A function called by another: how often, and what it called in turn."""

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.times = 0
        self.calls: dict[CodeType, Call] = {}

    def below(self, code: CodeType) -> "Call":
        return self.calls.setdefault(code, Call(code))


class Stage:
    """What was entered on behalf of one stage of a journey."""

    def __init__(self) -> None:
        self.roots: dict[CodeType, Call] = {}
        self.functions: set[CodeType] = set()
        self.calls = 0
        self.deepest: list[CodeType] = []

    @property
    def files(self) -> set[str]:
        return {code.co_filename for code in self.functions}

    def entered(self, chain: list[CodeType], caller: Call | None) -> Call:
        code = chain[-1]
        call = self.roots.setdefault(code, Call(code)) if caller is None else caller.below(code)
        call.times += 1
        self.calls += 1
        self.functions.add(code)
        self.deepest = max(self.deepest, chain, key=len)
        return call


class Recorder:
    """Sorts every call of a function of ours into the stage that its task belongs to."""

    def __init__(self) -> None:
        self.stages: dict[str, Stage] = {}
        self._calls: dict[FrameType, Call] = {}
        self._makers: dict[FrameType, Call] = {}

    @contextmanager
    def recording(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(self._make_task)
        sys.setprofile(self._on_event)
        try:
            yield
        finally:
            sys.setprofile(None)
            loop.set_task_factory(None)

    def _on_event(self, frame: FrameType, event: str, _: object) -> None:
        if event != "call" or not _is_ours(frame.f_code):
            return
        if (door := DOORS.get(frame.f_code)) is not None:
            stage_of_task.set(door(frame))
        stage = stage_of_task.get()
        # A coroutine that goes on after a wait is reported as called once more.
        if stage is not None and frame not in self._calls:
            chain, caller = self._way_to(frame)
            self._calls[frame] = self.stages.setdefault(stage, Stage()).entered(chain, caller)

    def _way_to(self, frame: FrameType) -> tuple[list[CodeType], Call | None]:
        """Our functions from the task's beginning to `frame`, and who called it, be it by making its task."""
        chain, caller, maker = [frame.f_code], None, self._makers.get(frame)
        above = frame.f_back
        while above is not None:
            if _is_ours(above.f_code):
                chain.append(above.f_code)
                caller = caller or self._calls.get(above)
            maker = maker or self._makers.get(above)
            above = above.f_back
        return chain[::-1], caller or maker

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **kwargs: Any) -> "asyncio.Task[Any]":
        above: FrameType | None = sys._getframe(1)
        while above is not None and above not in self._calls:
            above = above.f_back
        frame = getattr(coroutine, "cr_frame", None)
        if above is not None and frame is not None:
            self._makers[frame] = self._calls[above]
        return asyncio.Task(coroutine, loop=loop, **kwargs)


def _is_ours(code: CodeType) -> bool:
    return code.co_filename.startswith(SOURCES) and code.co_name not in NO_FUNCTIONS


# --- the platform -----------------------------------------------------------------------------------------------------


class Platform:
    """A running platform as a customer uses it, and a look into its database."""

    def __init__(self, client: LocalClient, database: "asyncpg.Connection[Any]") -> None:
        self._client = client
        self._database = database
        self._next = 0

    async def submit(self, ending: str) -> str:
        """A template message to a recipient whose number ends so; returns the message's id."""
        self._next += 1
        content = {
            "type": "template",
            "name": "order_update",
            "language": "en_US",
            "variables": {"1": "Ana", "2": f"A-{self._next}"},
        }
        # Providers limit how often one person is written to.
        area = AREAS[self._next % len(AREAS)]
        body = {"to": f"+1{area}{ending}", "channel": "whatsapp", "content": content, "reference": f"A-{self._next}"}
        answer = await self._client.post("/v1/messages", body, idempotency_key=f"order-{self._next}")
        return str(answer["id"])

    async def requeue(self, ids: Sequence[str]) -> None:
        order = {"action": "requeue", "message_ids": list(ids), "reason": "The number works again."}
        answer = await self._client.post("/v1/operator-actions", order)
        assert answer["done"] == len(ids), answer

    async def until(self, ids: Sequence[str], state: str, *, attempts: int = 1) -> None:
        """Return when the messages are in that state after so many attempts, and what comes with it is done."""
        uuids = [parse_typeid(Prefix.MESSAGE, id) for id in ids]
        wanted = "SELECT count(*) FROM messages WHERE id = ANY($1::uuid[]) AND state = $2 AND epoch = $3"
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self._database.fetchval(wanted, uuids, state, attempts) < len(ids):
                await asyncio.sleep(0.05)
        await asyncio.sleep(SETTLING_SECONDS)


@asynccontextmanager
async def running_platform() -> AsyncIterator[Platform]:
    environ: dict[str, str] = {}

    async def remember(launch: Launch) -> Launch:
        environ.update((name, value) for name, value in launch.env.items() if name.startswith("APP_"))
        return launch

    async with Stack(ports=free_ports(), say=_say, adjust=remember) as stack, AsyncExitStack() as ours:
        business = await seeded(stack, plan=PLAN, say=_say)
        for name in ("api", "worker", "webhooks"):
            await stack.stop(name)
        settings = load(Settings, environ, provider_settings)
        await _start(ours, settings)
        client = await ours.enter_async_context(LocalClient(stack.api, key=business.api_key))
        database = await asyncpg.connect(stack.owner_url)
        ours.push_async_callback(database.close)
        await database.execute("SET ROLE messaging_system")
        yield Platform(client, database)


async def _start(ours: AsyncExitStack, settings: Settings) -> None:
    """The three processes as `app` builds them, each with its own pools and caches."""
    applications = {}
    for name in ("api", "webhooks", "worker"):
        resources = await ours.enter_async_context(open_resources(settings))
        applications[name] = build(settings, resources, worker=f"journeys-{name}")
    api, webhooks = applications["api"], applications["webhooks"]
    _keep_going(ours, watch_store(api))
    _keep_going(ours, webhooks.adapters.snapshots().watch())
    await _listen(ours, api, cast(AsgiApp, create_api(api)), port=settings.api_port, stage="api")
    await _listen(ours, webhooks, create_webhooks(webhooks), port=settings.webhooks_port, stage="receive")
    worker = WorkerProcess(worker_dependencies(applications["worker"]))
    working = asyncio.create_task(worker.run())
    ours.push_async_callback(lambda: working)
    ours.callback(worker.stop)


def _keep_going(ours: AsyncExitStack, work: Awaitable[None]) -> None:
    """Run beside the journeys until the platform ends."""
    task = asyncio.ensure_future(work)

    async def end() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    ours.push_async_callback(end)


async def _listen(ours: AsyncExitStack, application: Application, app: AsgiApp, *, port: int, stage: str) -> None:
    """Serve `app`; whatever its connections bring about belongs to `stage`."""
    token = stage_of_task.set(stage)
    try:
        telemetry, bounds = application.adapters.telemetry(), http_bounds(application.settings())
        await ours.enter_async_context(listening(app, host=HOST, port=port, telemetry=telemetry, bounds=bounds))
    finally:
        stage_of_task.reset(token)


def _say(text: str) -> None:
    print(text, file=sys.__stderr__)


# --- the journeys -----------------------------------------------------------------------------------------------------


async def journey_of_one_message(platform: Platform) -> None:
    """Submitted, delivered, and followed by the provider's three status reports."""
    await platform.until([await platform.submit("5550100")], "read")


async def requeued(platform: Platform) -> Callable[[], Awaitable[None]]:
    """What a person does about messages that the provider refused; they are made here."""
    ids = [await platform.submit("5550120") for _ in range(3)]
    await platform.until(ids, "failed")

    async def act() -> None:
        await platform.requeue(ids)
        await platform.until(ids, "failed", attempts=2)

    return act


async def record() -> dict[str, Mapping[str, Stage]]:
    """The stages of each journey."""
    async with running_platform() as platform:
        for _ in range(WARM_UPS):
            await journey_of_one_message(platform)
            await (await requeued(platform))()
        one, many = Recorder(), Recorder()
        with one.recording():
            await journey_of_one_message(platform)
        act = await requeued(platform)
        with many.recording():
            await act()
    return {
        "submit → deliver": _stages(one, api="accept", relay="relay", deliver="deliver"),
        "webhook → receipt": _stages(one, receive="receive", process="process"),
        "bulk action": _stages(many, api="act"),
    }


def _stages(recorder: Recorder, **shown: str) -> dict[str, Stage]:
    missing = [name for name in shown if name not in recorder.stages]
    if missing:
        sys.exit(
            f"nothing was recorded of: {', '.join(missing)}. Do DOORS and JOBS in this script still name the code?"
        )
    return {title: recorder.stages[name] for name, title in shown.items()}


# --- the report -------------------------------------------------------------------------------------------------------

ROW: Final = "{:<18} {:<9} {:>9} {:>6} {:>6} {:>6}"


def figures(stage: Stage) -> tuple[int, int, int]:
    """Functions, files and chain."""
    return len(stage.functions), len(stage.files), len(stage.deepest)


def print_table(journeys: Mapping[str, Mapping[str, Stage]]) -> None:
    print(ROW.format("journey", "stage", "functions", "files", "chain", "calls"))
    for journey, stages in journeys.items():
        for title, stage in stages.items():
            print(ROW.format(journey, title, *figures(stage), stage.calls))
        if len(stages) > 1:
            functions = set[CodeType]().union(*(stage.functions for stage in stages.values()))
            files = {code.co_filename for code in functions}
            chain = max(len(stage.deepest) for stage in stages.values())
            calls = sum(stage.calls for stage in stages.values())
            print(ROW.format(journey, "in all", len(functions), len(files), chain, calls))


def print_tree(calls: Mapping[CodeType, Call], indent: str = "  ") -> None:
    for call in calls.values():
        times = f" ×{call.times}" if call.times > 1 else ""
        print(f"{indent}{named(call.code)}{times}")
        print_tree(call.calls, indent + "  ")


def named(code: CodeType) -> str:
    return f"{code.co_qualname}  {Path(code.co_filename).relative_to(SOURCES)}:{code.co_firstlineno}"


def print_trees(journeys: Mapping[str, Mapping[str, Stage]]) -> None:
    for journey, stages in journeys.items():
        for title, stage in stages.items():
            print(f"\n{journey}: {title}")
            print_tree(stage.roots)
            print("  deepest chain: " + " → ".join(code.co_qualname for code in stage.deepest))


def exceeded(stage: Stage) -> list[str]:
    names = ("functions", "files", "calls in a chain")
    over = [
        (found, name, most) for found, name, most in zip(figures(stage), names, BOUNDS, strict=True) if found > most
    ]
    return [f"a warm delivery takes {found} {name}, more than {most}" for found, name, most in over]


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--tree", action="store_true", help="print every call below its caller")
    parser.add_argument("--check", action="store_true", help="fail if the delivery is larger than its bounds")
    wanted = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, redirect_stderr(io.StringIO()):
        # Log lines are made and written as in our processes, but not shown.
        configure_logging("info", process="journeys", redaction=redaction_of(PROVIDERS))
        journeys = runner.run(record())
    print_table(journeys)
    if wanted.tree:
        print_trees(journeys)
    over = exceeded(journeys["submit → deliver"][BOUNDED])
    print("\n" + ("; ".join(over) or f"A warm delivery keeps its bounds: {BOUNDS}."), file=sys.stderr)
    if over and wanted.check:
        sys.exit(1)


if __name__ == "__main__":
    main()
