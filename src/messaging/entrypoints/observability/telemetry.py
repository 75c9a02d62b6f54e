"""A process's JSON logs, and its answers to health, readiness and metrics requests.

A log line carries ids and never what a message says or whom it reaches: the last processor before rendering blanks
fields that name secrets or people, and anything inside a text that looks like a key, a token, a phone number or a
password. It is a net under the rule, not a licence to log such things.
"""

import asyncio
import logging
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from structlog.typing import EventDict, Processor, WrappedLogger

from messaging.application.ports.health import ProcessState
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane
from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.entrypoints.observability.log_condenser import Condenser
from messaging.entrypoints.observability.log_handler import WrittenByTurns

log = logging.getLogger(__name__)

# --- logs ---------------------------------------------------------------------------------------------------------

_BLANK: Final = "[redacted]"
_UNSPEAKABLE: Final = frozenset(
    {
        *("to", "recipient", "recipients", "phone", "email", "address", "wa_id", "from", "user_id", "profile"),
        *("body", "content", "contents", "payload", "text", "caption", "variables", "parameters", "metadata"),
        *("authorization", "token", "access_token", "webhook_token", "verify_token", "secret", "app_secret"),
        *("app_secrets", "password", "api_key", "master_key", "credentials", "cookie", "idempotency_key"),
    }
)
_LOOKS_SECRET: Final = re.compile(
    r"mpk_(?:live|test|admin)_[A-Za-z0-9_]+"  # our keys
    r"|(?i:bearer)\s+[^\s\"',]+"
    r"|\bEAA[A-Za-z0-9]{16,}"  # Meta's access tokens
    r"|(?<=/webhooks/)[a-z_]+/[A-Za-z0-9_-]{16,}"  # webhook paths are secrets
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # credentials in a URL
    r"|\+[1-9][0-9]{6,14}\b"  # phone numbers
)
# Whatever looks secret contains one of these in lower case. Nearly every text has none, which is found sooner.
_SIGNS_OF_SECRETS: Final = ("mpk_", "bearer", "eaa", "/webhooks/", "://", "+")
_QUIET: Final = ("arq", "uvicorn", "httpx", "httpcore", "aiohttp", "sqlalchemy", "asyncio", "alembic", "asyncpg")
_encode = msgspec.json.Encoder(enc_hook=str).encode


def configure_logging(level: str, *, process: str) -> None:
    """One JSON object per line on stderr, from structlog and the standard library alike; `process` is on every line.

    Values bound with structlog's context variables (request, tenant, message and trace ids) are on every line of
    their task.
    """
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _stamp(process),
    ]
    # `redact` is the last step before rendering: nothing can be added behind it.
    after: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact,
        _render,
    ]
    handler = WrittenByTurns(sys.stderr)
    handler.addFilter(Condenser())
    chain = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after)
    handler.setFormatter(_PlainRecords(process=process, others=chain))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before[:3],
            before[4],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _PlainRecords(logging.Formatter):
    """Writes the standard library's records as structlog's chain would, in a fraction of its time.

    What is more than a message with fields (structlog's own events, exceptions) is left to the chain.
    """

    def __init__(self, *, process: str, others: logging.Formatter) -> None:
        super().__init__()
        self._process = process
        self._others = others

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict) or record.exc_info or record.stack_info:
            return self._others.format(record)
        event: EventDict = {
            **structlog.contextvars.get_contextvars(),
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            **{name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD},
            "process": self._process,
        }
        # The time of the line: no secret, and the one text in every line that looks like one, since its offset has a
        # '+'.
        return f'{{"at":"{_now()}",{_redacted(event)[1:].decode()}'


_OF_EVERY_RECORD: Final = frozenset(logging.makeLogRecord({}).__dict__)
_PLAIN_TYPES: Final = frozenset({str, int, float, bool, type(None)})


def _redacted(event: EventDict) -> bytes:
    """Redacts and renders an event. Most have nothing to redact, which one look at the whole line shows."""
    if _UNSPEAKABLE.isdisjoint(event) and _PLAIN_TYPES.issuperset(map(type, event.values())):
        line = _encode(event)
        if not _has_signs(line.decode()):
            return line
    return _encode(redact(None, "", event))


def _stamp(process: str) -> Processor:
    def stamp(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event["at"] = _now()
        event["process"] = process
        return event

    return stamp


def _now() -> str:
    seconds, fraction = divmod(time(), 1)
    return f"{_in_words(int(seconds))}.{int(fraction * 1000):03d}+00:00"


@lru_cache(maxsize=4)
def _in_words(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Blanks what must not be read in a log; keys are judged by name, texts by their look."""
    return {key: _BLANK if key in _UNSPEAKABLE else _clean(value) for key, value in event.items()}


def _clean(value: object) -> object:
    match value:
        case str():
            return _without_secrets(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {key: _BLANK if key in _UNSPEAKABLE else _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case _:
            return _without_secrets(str(value))


def _without_secrets(text: str) -> str:
    return _LOOKS_SECRET.sub(_BLANK, text) if _has_signs(text) else text


def _has_signs(text: str) -> bool:
    return any(map(text.lower().__contains__, _SIGNS_OF_SECRETS))


def _render(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return _encode(event).decode()


class AccessLine(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request's log line. All but the request id are ours or of a closed set."""

    request_id: str
    trace_id: str
    method: str
    route: str
    status: int
    ms: float
    tenant: str | None
    process: str
    at: str = msgspec.field(default_factory=_now)
    event: str = "request"
    level: str = "info"
    logger: str = "access"


class AccessLog:
    """Writes one wide line per request, without the standard library's loggers, which take longer than the rest of the
    edge.

    The lines of one turn of the event loop are written together when it ends.
    """

    def __init__(self, *, process: str) -> None:
        self._process = process
        self._level = logging.getLogger("access")
        self._lines: list[bytes] = []

    def __call__(
        self, *, request_id: str, trace_id: str, method: str, route: str, status: int, ms: float, tenant: str | None
    ) -> None:
        if not self._level.isEnabledFor(logging.INFO):
            return
        line = AccessLine(
            # The caller may have chosen the request id, and chosen badly.
            request_id=_without_secrets(request_id),
            trace_id=trace_id,
            method=method,
            route=route,
            status=status,
            ms=ms,
            tenant=tenant,
            process=self._process,
        )
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._write)
        self._lines.append(_encode(line))

    def _write(self) -> None:
        lines, self._lines = self._lines, []
        sys.stderr.write(b"\n".join((*lines, b"")).decode())
        sys.stderr.flush()


# --- health and metrics -------------------------------------------------------------------------------------------

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

OPERATIONS_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A finished HTTP answer, for processes that serve these paths from their own framework."""

    status: int
    content_type: str
    body: bytes


class Operations:
    """The answers to health, readiness and metrics requests, as an ASGI application."""

    def __init__(self, health: ProcessState, registry: CollectorRegistry, *, instance: str | None = None) -> None:
        self._health = health
        self._registry = registry
        self._alive = {"status": "ok"} if instance is None else {"status": "ok", "instance": instance}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            await _reply(await self.answer(scope["path"]), scope["method"], send)

    async def answer(self, path: str) -> Answer:
        """`path` is one of OPERATIONS_PATHS; anything else is a 404."""
        match path:
            case "/healthz":
                return _json(200, self._alive)
            case "/readyz":
                return await self._ready()
            case "/metrics":
                return await self._metrics()
            case _:
                return _json(404, {"status": "not_found"})

    async def _ready(self) -> Answer:
        """The answer to `/readyz`: 503 if a check fails that the process needs; `detail` says what to do."""
        checks = await self._health.checks()
        failed = [check for check in checks if not check.ok]
        ready = all(check.tolerable for check in failed)
        status = "ready" if not failed else "degraded" if ready else "not_ready"
        return _json(200 if ready else 503, {"status": status, "checks": checks})

    async def _metrics(self) -> Answer:
        """The answer to `/metrics`: the process's numbers always, the depth of lanes as far as PostgreSQL answers."""
        depths: Sequence[LaneDepth] = ()
        workers: Mapping[DeliverLane, int] = {}
        try:
            depths = await self._health.lane_depths()
            workers = await self._health.lane_workers()
        except StoreUnavailable:
            log.warning("metrics.lanes_not_read", extra={"store": "postgres"})
        body = generate_latest(self._registry) + generate_latest(_Lanes(depths, workers))
        return Answer(status=200, content_type=CONTENT_TYPE_LATEST, body=body)


async def _lifespan(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _reply(answer: Answer, method: str, send: Send) -> None:
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


def _json(status: int, body: object) -> Answer:
    return Answer(status=status, content_type="application/json", body=msgspec.json.encode(body))


class PoolUse(Collector):
    """The number of connections in use, which each pool tells at every scrape."""

    def __init__(self, pools: Mapping[str, Callable[[], int]]) -> None:
        self._pools = pools

    def collect(self) -> Iterable[Metric]:
        taken = GaugeMetricFamily(
            "messaging_database_connections_in_use", "Pooled connections in somebody's hands.", labels=("pool",)
        )
        for name, count in self._pools.items():
            taken.add_metric((name,), count())
        return (taken,)


_LANES: Final = tuple(DeliverLane(Channel.WHATSAPP, priority) for priority in Priority)


class _Lanes(CollectorRegistry):
    """The depth of lanes, built at every scrape, so that an emptied lane leaves no stale number."""

    def __init__(self, depths: Iterable[LaneDepth], workers: Mapping[DeliverLane, int]) -> None:
        super().__init__()
        self._lanes = tuple(depths)
        self._workers = workers

    def collect(self) -> Iterable[Metric]:
        labels = ("channel", "priority")
        due = GaugeMetricFamily("messaging_lane_due", "Messages that should be leaving now.", labels=labels)
        waiting = GaugeMetricFamily("messaging_lane_waiting", "Messages whose time has not come.", labels=labels)
        age = GaugeMetricFamily(
            "messaging_lane_oldest_due_seconds", "How long the oldest due message has been due.", labels=labels
        )
        now = datetime.now(UTC)
        for depth in (*self._lanes, *self._empty_lanes()):
            lane = (depth.lane.channel.value, depth.lane.priority.value)
            due.add_metric(lane, depth.due)
            waiting.add_metric(lane, depth.waiting)
            oldest = depth.oldest_due_at
            age.add_metric(lane, 0.0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
        workers = GaugeMetricFamily(
            "messaging_lane_workers", "Live workers that take the lane; 0 means that nobody does.", labels=labels
        )
        for taken, count in self._workers.items():
            workers.add_metric((taken.channel.value, taken.priority.value), count)
        return (due, waiting, age, workers)

    def _empty_lanes(self) -> Iterable[LaneDepth]:
        """Zeros for lanes without work: an absent series would look like a process that is gone."""
        deep = {depth.lane for depth in self._lanes}
        return [LaneDepth(lane=lane, due=0, waiting=0, oldest_due_at=None) for lane in _LANES if lane not in deep]
