"""Eight classic mistakes, made on purpose in the memory of a child process, to test that a storm notices them.

No command and no setting of `app` leads here: `python -m messaging.entrypoints.lab.chaos.storm.planted BUG COMMAND…` is
what the storm starts instead of `app COMMAND…`, and only when asked to test itself.
"""

import os
import runpy
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import RedisError

from messaging.application.messages.delivering.deliver import DeliverMessages
from messaging.application.messages.delivering.mark_started import MarkStarted
from messaging.application.ports.submissions import Acceptance, AcceptOutcome, Replayed
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages import unclear_sends
from messaging.domain.messages.retry import Uncertain, Unreachable
from messaging.domain.messages.transitions import lifecycle
from messaging.entrypoints.composition import adapters, providers
from messaging.entrypoints.lab.chaos.storm.links import CALLBACKS, WORKERS
from messaging.entrypoints.lab.dev.stack import APP, Adjust, Launch

_SELF: Final = "messaging.entrypoints.lab.chaos.storm.planted"
_PROGRAM: Final = "messaging.entrypoints.cli"
_WEEK_SECONDS: Final = 7 * 24 * 3600


def start_after_send() -> None:
    """Records the start of a send only when the answer is there: a crash in between forgets a send."""
    marking: Any = MarkStarted.__call__
    ordinary: Any = DeliverMessages._send

    async def not_yet(self: Any, claim: Any) -> Any:
        return claim.observed or await marking(self, claim)

    async def send(self: Any, send: Any) -> Any:
        result = await ordinary(self, send)
        with suppress(StoreUnavailable):
            await marking(self._mark_started, send.claim)
        return result

    _put(MarkStarted, "__call__", not_yet)
    _put(DeliverMessages, "_send", send)


def asynchronous_start() -> None:
    """Commits claims and starts without waiting for the disk: a crash of PostgreSQL forgets the last of them."""
    factory = _wired("PostgresSystemUnitOfWorkFactory")
    ordinary: Any = factory.__call__
    optimistic_writes: Any = sys.modules[_wired("PostgresOptimisticWrites").__module__]
    connecting: Any = optimistic_writes.autocommit

    @asynccontextmanager
    async def hurried(self: Any) -> AsyncIterator[Any]:
        async with ordinary(self) as uow:
            await uow._opened.driver.execute("SET LOCAL synchronous_commit = off")
            yield uow

    @asynccontextmanager
    async def connected(engine: Any) -> AsyncIterator[Any]:
        async with connecting(engine) as driver:
            await driver.execute("SET synchronous_commit = off")
            yield driver
            await driver.execute("SET synchronous_commit = on")

    _put(factory, "__call__", hurried)
    _put(optimistic_writes, "autocommit", connected)


def retry_on_timeout() -> None:
    """Takes no answer for "not sent"."""
    ordinary: Any = DeliverMessages._send

    async def send(self: Any, send: Any) -> Any:
        result = await ordinary(self, send)
        return Unreachable(reason=result.reason) if isinstance(result, Uncertain) else result

    _put(DeliverMessages, "_send", send)


def repeat_without_key() -> None:
    """Repeats the request of an unclear send although its provider knows no idempotency keys."""
    _put(unclear_sends, "_may_repeat", lambda message, can, at: True)


def resend_after_data() -> None:
    """Takes a mail server's silence after the content for "not sent"."""
    client: Any = import_module(f"{vars(providers)['smtp'].__name__}.client")
    ordinary: Any = client.judge

    def judge(exchange: Any, message_id: str) -> Any:
        result = ordinary(exchange, message_id)
        return Unreachable(reason=result.reason) if isinstance(result, Uncertain) else result

    _put(client, "judge", judge)


def relay_by_cursor() -> None:
    """Takes up only ids above the last one seen: whatever was committed late, or is due again, is passed over."""
    ordinary: Any = lifecycle.take_up
    last = UUID(int=0)

    def take_up(message: Any, **terms: Any) -> Any:
        nonlocal last
        if message.key.message_id <= last:
            return None
        last = message.key.message_id
        return ordinary(message, **terms)

    _put(lifecycle, "take_up", take_up)


def dedupe_in_redis() -> None:
    """Keeps idempotency keys in Redis alone."""
    submissions = _wired("PostgresSubmissions")
    ordinary: Any = submissions.accept_many
    redis = Redis.from_url(os.environ["APP_REDIS_URL"])

    async def accept(self: Any, member: Acceptance) -> AcceptOutcome:
        claim = member.idempotency
        if claim is not None:
            name = f"idempotency:{member.tenant_id}:{claim.key}"
            memory = msgspec.msgpack.encode((claim.status, claim.body))
            try:
                if not await redis.set(name, memory, nx=True, ex=_WEEK_SECONDS):
                    status, body = msgspec.msgpack.decode(await redis.get(name) or memory)
                    return Replayed(status=status, body=body)
            except RedisError as error:
                raise StoreUnavailable("redis") from error
        outcomes: Sequence[AcceptOutcome] = await ordinary(self, [replace(member, idempotency=None)])
        return outcomes[0]

    async def accept_many(self: Any, batch: Sequence[Acceptance]) -> Sequence[AcceptOutcome]:
        return [await accept(self, member) for member in batch]

    _put(submissions, "accept_many", accept_many)


def try_followers_early() -> None:
    """Posts whatever is due at an endpoint, not only the first of each message."""
    units: Any = sys.modules[_wired("PostgresUnitOfWorkFactory").__module__]
    statements: Any = sys.modules[units.PostgresLanes.__module__].sql
    for name in ("CLAIM", "TAKE"):
        _put(statements, name, getattr(statements, name).replace("AND q.head\n", "\n"))


def _wired(name: str) -> Any:
    """A class of an adapter, as the composition knows it."""
    return vars(adapters)[name]


def _put(owner: object, name: str, planted: object) -> None:
    setattr(owner, name, planted)


class Plant(msgspec.Struct, frozen=True, kw_only=True):
    """A planted bug: its place, the promises that it breaks, the kind of fault that shows it soonest, if any,
    and the channel that it is on; `callbacks`: somebody must listen.
    """

    plant: Callable[[], None]
    processes: tuple[str, ...]
    breaks: frozenset[str]
    focus: str | None = None
    channel: str = "whatsapp"
    callbacks: bool = False


PLANTS: Final[dict[str, Plant]] = {
    "start-after-send": Plant(plant=start_after_send, processes=WORKERS, breaks=frozenset({"I6"}), focus="kill"),
    "asynchronous-start": Plant(
        plant=asynchronous_start, processes=WORKERS, breaks=frozenset({"I2", "I6"}), focus="stop_database"
    ),
    "retry-on-timeout": Plant(plant=retry_on_timeout, processes=WORKERS, breaks=frozenset({"I2"})),
    "repeat-without-key": Plant(plant=repeat_without_key, processes=WORKERS, breaks=frozenset({"I2"})),
    "resend-after-data": Plant(plant=resend_after_data, processes=WORKERS, breaks=frozenset({"I2"}), channel="email"),
    "try-followers-early": Plant(
        plant=try_followers_early, processes=(CALLBACKS,), breaks=frozenset({"C2", "C3"}), callbacks=True
    ),
    "relay-by-cursor": Plant(plant=relay_by_cursor, processes=WORKERS, breaks=frozenset({"I1"})),
    "dedupe-in-redis": Plant(plant=dedupe_in_redis, processes=("api",), breaks=frozenset({"I10"}), focus="flush"),
}


def planted_in(bug: str | None) -> Adjust | None:
    """Changes the start of the processes concerned so that they have the bug; None without a bug."""
    if bug is None:
        return None
    processes = PLANTS[bug].processes

    async def adjust(launch: Launch) -> Launch:
        if launch.name not in processes:
            return launch
        command = (sys.executable, "-P", "-m", _SELF, bug, *launch.command[len(APP) :])
        return replace(launch, command=command)

    return adjust


def main() -> None:
    PLANTS[sys.argv[1]].plant()
    sys.argv = ["app", *sys.argv[2:]]
    runpy.run_module(_PROGRAM, run_name="__main__")


if __name__ == "__main__":
    main()
