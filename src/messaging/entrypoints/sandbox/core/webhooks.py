"""Posts each webhook when it is due, and records that it was taken."""

import asyncio
import hashlib
import heapq
import itertools
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import aiohttp
import msgspec
from yarl import URL

from messaging.entrypoints.sandbox.core.settings import Tuning
from messaging.entrypoints.sandbox.core.storage.append_log import AppendLog

_TICK = 0.004
"""Updates due within one tick travel together."""
STEPS = 8
"""Room for the steps of one ledger entry; no script is longer."""


UpdateT = TypeVar("UpdateT")


class Parcel(msgspec.Struct, frozen=True):
    """What is posted for some updates."""

    body: bytes
    headers: dict[str, str]


class Packing(msgspec.Struct, Generic[UpdateT], frozen=True):
    """A provider's way to put updates into one POST."""

    pack: Callable[[Sequence["Item[UpdateT]"]], Parcel]
    """Called with updates of one URL and one secret."""
    most: int | None = None
    """Most updates in one POST; None leaves it to the settings."""
    carry: Callable[[str, Parcel], Awaitable[int]] | None = None
    """Hands a parcel over to its URL where that is not done by a POST; the answer is as an HTTP status, 200 for taken.
    Raises OSError if nobody was reached."""
    is_refusal: Callable[[int], bool] | None = None
    """Whether an answer is a refusal for good, after which the vendor does not try again; None: no answer is."""


class Item(msgspec.Struct, Generic[UpdateT], frozen=True, kw_only=True):
    """An update on its way to a URL, with what to do once it is settled either way."""

    url: str
    secret: str
    """What the POST is signed with; a POST holds updates of one secret."""
    packing: Packing[UpdateT]
    update: UpdateT
    marks: tuple[int, ...]
    """Numbers for the log that say which step or event this was."""
    settled: Callable[[], None]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the webhook log: one POST."""

    at: float
    url: str
    acked: bool
    """Whether the answer was 200, the only one that counts."""
    final: bool
    """Whether this was the last try; its updates are settled then."""
    status: int
    """HTTP status of the answer, 0 without one."""
    error: str | None
    attempt: int
    sha256: str
    """Of the exact bytes posted, behind `?`, the query and a line break where the URL has one."""
    size: int
    updates: int
    marks: list[int]


class Totals(msgspec.Struct):
    """Sums for one URL since the log began."""

    posts: int = 0
    acked: int = 0
    failed: int = 0
    gave_up: int = 0
    updates_acked: int = 0


class _Target:
    """The queue of one URL without its query; a POST takes what is waiting for it, so batches grow with the load."""

    def __init__(self) -> None:
        self.waiting: deque[Item[Any]] = deque()
        self.in_flight = 0
        self.called = False


class _Batch:
    """A POST that may have to be repeated, byte for byte."""

    def __init__(self, items: list[Item[Any]], parcel: Parcel) -> None:
        self.url = items[0].url
        self.items = items
        self.parcel = parcel
        self.attempt = 0


class Webhooks:
    """The delivery engine of all providers: a clock of due work, and a few POSTs in flight per URL.

    Queues and sums are kept per URL without its query, which may differ from message to message.
    """

    def __init__(self, log: AppendLog, tuning: Tuning) -> None:
        self.totals: dict[str, Totals] = {}
        self._log = log
        self._tuning = tuning
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._wake: asyncio.Future[None] | None = None
        self._targets: dict[str, _Target] = {}
        self._posting: set[asyncio.Task[None]] = set()
        self._unsettled = 0
        self._clock: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    @property
    def pending(self) -> int:
        """Scheduled work, queued updates and POSTs that have not ended."""
        return len(self._due) + self._unsettled

    @property
    def running(self) -> bool:
        """Whether due work is still being done; a failed write stops the clock for good."""
        return self._clock is not None and not self._clock.done()

    async def open(self) -> None:
        """Start posting."""
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)
        # Each POST has its own time limit; the session's would be a second timer for each.
        unlimited = aiohttp.ClientTimeout(total=None, sock_connect=None)
        jar = aiohttp.DummyCookieJar()
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=jar, timeout=unlimited)
        self._clock = asyncio.create_task(self._run_clock())

    async def close(self) -> None:
        """Stop at once; whatever is unsettled is taken up again at the next start."""
        tasks = [*self._posting, *([self._clock] if self._clock else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def at(self, due_at: float, action: Callable[[], None]) -> None:
        """Run `action` once the epoch time `due_at` has come."""
        heapq.heappush(self._due, (due_at, next(self._order), action))
        if self._due[0][2] is action and self._wake is not None:
            _wake_up(self._wake)

    def put(self, item: Item[UpdateT]) -> None:
        """Queue one update for its URL."""
        self._unsettled += 1
        target = self._targets.setdefault(_without_query(item.url), _Target())
        target.waiting.append(item)
        self._call(target)

    def note(self, delivery: Delivery) -> None:
        """Count a POST, also one read back from the log."""
        totals = self.totals.setdefault(_without_query(delivery.url), Totals())
        totals.posts += 1
        totals.acked += delivery.acked
        totals.failed += not delivery.acked
        totals.gave_up += delivery.final and not delivery.acked
        totals.updates_acked += delivery.updates if delivery.acked else 0

    def settle_unsent(self, marks: Sequence[int], reason: str) -> None:
        """Log that updates, one for each mark, will never be posted: dropped on purpose, or nobody to post to."""
        delivery = Delivery(
            at=time.time(), url="", acked=False, final=True, status=0, error=reason, attempt=0, sha256="",
            size=0, updates=len(marks), marks=list(marks),
        )  # fmt: skip
        self._log.append_now(msgspec.json.encode(delivery))
        self.note(delivery)

    async def _run_clock(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            now = time.time()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()
            self._wake = wake = loop.create_future()
            timer = loop.call_later(max(_TICK, self._due[0][0] - now), _wake_up, wake) if self._due else None
            await wake
            if timer is not None:
                timer.cancel()

    def _call(self, target: _Target) -> None:
        """Drain once everything that is due in this turn of the loop has been queued."""
        if not target.called:
            target.called = True
            asyncio.get_running_loop().call_soon(self._drain, target)

    def _drain(self, target: _Target) -> None:
        target.called = False
        settings = self._tuning.current
        while target.waiting and target.in_flight < settings.webhook_concurrency:
            items = _together(target.waiting, settings.webhook_batch_max)
            self._start(_Batch(items, items[0].packing.pack(items)), target)

    def _start(self, batch: _Batch, target: _Target) -> None:
        target.in_flight += 1
        task = asyncio.create_task(self._post(batch, target))
        self._posting.add(task)
        task.add_done_callback(self._posting.discard)

    async def _post(self, batch: _Batch, target: _Target) -> None:
        settings = self._tuning.current
        batch.attempt += 1
        try:
            status, error = await self._send(batch, settings.webhook_timeout_ms / 1000)
        finally:
            target.in_flight -= 1
        refused = batch.items[0].packing.is_refusal
        final = (
            status == 200
            or batch.attempt >= settings.webhook_retry_attempts
            or (refused is not None and refused(status))
        )
        self._record(batch, status, error, final=final)
        if final:
            self._unsettled -= len(batch.items)
            for item in batch.items:
                item.settled()
        else:
            wait = min(
                settings.webhook_retry_initial_ms * 2 ** min(batch.attempt - 1, 20),
                settings.webhook_retry_max_ms,
            )
            self.at(time.time() + wait / 1000, lambda: self._start(batch, target))
        self._call(target)

    async def _send(self, batch: _Batch, timeout: float) -> tuple[int, str | None]:
        carry = batch.items[0].packing.carry or self._post_parcel
        try:
            async with asyncio.timeout(timeout):
                return await carry(batch.url, batch.parcel), None
        except (aiohttp.ClientError, aiohttp.InvalidURL, OSError, TimeoutError) as error:
            return 0, type(error).__name__

    async def _post_parcel(self, url: str, parcel: Parcel) -> int:
        assert self._session is not None
        # The URL goes out as it was signed, character for character.
        exact = URL(url, encoded=True)
        async with self._session.post(exact, data=parcel.body, headers=parcel.headers, allow_redirects=False) as answer:
            await answer.content.readany()
            return answer.status

    def _record(self, batch: _Batch, status: int, error: str | None, *, final: bool) -> None:
        delivery = Delivery(
            at=time.time(),
            url=batch.url,
            acked=status == 200,
            final=final,
            status=status,
            error=error,
            attempt=batch.attempt,
            sha256=_digest(batch),
            size=len(batch.parcel.body),
            updates=len(batch.items),
            marks=[mark for item in batch.items for mark in item.marks] if final else [],
        )
        self._log.append_now(msgspec.json.encode(delivery))
        self.note(delivery)


def _together(waiting: deque[Item[Any]], most: int) -> list[Item[Any]]:
    """Take the first update, and those behind it that can travel in the same POST."""
    first = waiting.popleft()
    items = [first]
    room = most if first.packing.most is None else first.packing.most
    route = (first.url, first.secret, first.packing)
    while waiting and len(items) < room and (waiting[0].url, waiting[0].secret, waiting[0].packing) == route:
        items.append(waiting.popleft())
    return items


def _digest(batch: _Batch) -> str:
    _, asked, query = batch.url.partition("?")
    before = f"?{query}\n".encode() if asked else b""
    return hashlib.sha256(before + batch.parcel.body).hexdigest()


def _without_query(url: str) -> str:
    return url.partition("?")[0]


def _wake_up(sleeper: "asyncio.Future[None]") -> None:
    if not sleeper.done():
        sleeper.set_result(None)


def step_mark(n: int, step: int) -> int:
    """The mark of one step of a ledger entry."""
    return n * STEPS + step


def event_mark(n: int) -> int:
    """The mark of an entry of the event log."""
    return -n - 1


def read_mark(mark: int) -> tuple[int, int | None]:
    """Position, and the step for a ledger entry or None for an event."""
    return (mark // STEPS, mark % STEPS) if mark >= 0 else (-mark - 1, None)
