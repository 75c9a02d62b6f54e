"""A process's answers to health, readiness and metrics requests."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from messaging.application.ports.health import ProcessState
from messaging.application.ports.job_records import JobCount
from messaging.application.ports.lane_depth import LaneDepth
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.wakeups import DeliverLane
from messaging.entrypoints.observability.asgi import Receive, Scope, Send
from messaging.entrypoints.observability.job_metrics import JobMetrics

log = logging.getLogger(__name__)

OPERATIONS_PATHS: Final = frozenset({"/healthz", "/readyz", "/metrics"})


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A finished HTTP answer, for processes that serve these paths from their own framework."""

    status: int
    content_type: str
    body: bytes


class Operations:
    """The answers to health, readiness and metrics requests, as an ASGI application.

    `lanes` are those in which messages can exist; each has its metrics, also when it is empty.
    """

    def __init__(
        self,
        health: ProcessState,
        registry: CollectorRegistry,
        *,
        lanes: Sequence[DeliverLane] = (),
        instance: str | None = None,
    ) -> None:
        self._health = health
        self._registry = registry
        self._possible = lanes
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
        jobs: Sequence[JobCount] = ()
        answers = True
        try:
            depths = await self._health.lane_depths()
            workers = await self._health.lane_workers()
            jobs = await self._health.job_counts()
        except StoreUnavailable:
            answers = False
            log.warning("metrics.lanes_not_read", extra={"store": "postgres"})
        counted = (_Postgres(answers), _Lanes(self._with_empty(depths), workers), JobMetrics(jobs))
        registries = (self._registry, *counted)
        body = b"".join(map(generate_latest, registries))
        return Answer(status=200, content_type=CONTENT_TYPE_LATEST, body=body)

    def _with_empty(self, depths: Sequence[LaneDepth]) -> Sequence[LaneDepth]:
        """Adds zeros for lanes without work: an absent series would look like a process that is gone."""
        deep = {depth.lane for depth in depths}
        empty = (lane for lane in self._possible if lane not in deep)
        return [*depths, *(LaneDepth(lane=lane, due=0, waiting=0, oldest_due_at=None) for lane in empty)]


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


class _Postgres(CollectorRegistry):
    """Whether PostgreSQL answered this scrape; without it the depth of lanes is shown as zero."""

    def __init__(self, answers: bool) -> None:
        super().__init__()
        self._answers = answers

    def collect(self) -> Iterable[Metric]:
        text = "1 if PostgreSQL answered this scrape, else 0."
        return (GaugeMetricFamily("messaging_postgres_answers", text, value=float(self._answers)),)


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
        for depth in self._lanes:
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
