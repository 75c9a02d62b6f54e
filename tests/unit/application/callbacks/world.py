"""One endpoint, its queue and its log in memory, with the use cases that deliver callbacks to it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.application.callbacks.delivering.claim import ClaimCallbacks
from messaging.application.callbacks.delivering.deliver import DeliverCallbacks
from messaging.application.callbacks.delivering.post import PostCallback
from messaging.application.callbacks.delivering.start_attempts import StartAttempts
from messaging.application.callbacks.endpoints.sealing import seal_headers, seal_secret, seal_url
from messaging.application.callbacks.settling.recorded import Recorded
from messaging.application.callbacks.settling.settle import SettleLanes
from messaging.application.ports.callbacks.announcements import Announcement
from messaging.application.ports.callbacks.delivering.lanes import QueuedCallback
from messaging.application.ports.callbacks.delivering.log import EndedCallback, FinishedAttempt
from messaging.application.ports.callbacks.delivering.targets import EventKey, StoredBodies, Target
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.callbacks import body
from messaging.domain.callbacks.endpoint import CallbackSecret
from messaging.domain.shared.ids import CallbackSecretId
from tests.builders import ENDPOINT, NOON, TENANT, a_snapshot, an_endpoint
from tests.callbacks import LANE, a_callback
from tests.fakes.callback_lanes import CallbackStore, InMemoryHeldCallbacks, InMemoryLanes, Lane
from tests.fakes.callback_log import InMemoryCallbackLog, InMemoryCallbackTargets
from tests.fakes.clock import FixedClock, SequentialIds
from tests.fakes.exchange import FakeExchange
from tests.fakes.snapshots import InMemorySnapshots
from tests.fakes.telemetry import Counts

KEY_RING = AesKeyRing(bytes(range(32)))
DATA_KEYS = (KEY_RING.new_data_key(TENANT),)
CIPHER = KEY_RING.cipher(TENANT, DATA_KEYS)
URL = "https://hooks.example/m"
SECRET = b"s" * 32
BODY = b'{"type":"message.delivered","timestamp":"2026-05-04T12:00:00.000Z","data":{}}'
DAY = timedelta(days=1)


class World:
    """`away` refuses transactions. Time stands still but for `go_on`."""

    def __init__(self, **lane: Any) -> None:
        self.store = CallbackStore()
        self.store.lanes[LANE] = Lane(**lane)
        self.lanes = InMemoryLanes(self.store)
        self.held_callbacks = InMemoryHeldCallbacks(self.store)
        self.callback_log = InMemoryCallbackLog()
        self.callback_targets = InMemoryCallbackTargets()
        self.announcements = self
        self.announced: list[Announcement] = []
        self.exchange = FakeExchange()
        self.clock = FixedClock()
        self.counts = Counts()
        self.away = False
        self.started_before_post: list[bool] = []
        self._endpoint()
        self.deliver = self.a_worker()

    def a_worker(self) -> DeliverCallbacks:
        start = StartAttempts(new_id=self._ids)
        return DeliverCallbacks(
            claim=ClaimCallbacks(open_uow=self.open_uow, start=start),
            post=PostCallback(
                exchange=self.exchange,
                snapshots=InMemorySnapshots(a_snapshot(data_keys=DATA_KEYS)),
                key_ring=KEY_RING,
                clock=self.clock,
                telemetry=self.counts,
                agent="messaging/0",
            ),
            settle=SettleLanes(open_uow=self.open_uow, start=start, recorded=Recorded(self.counts), chance=lambda: 0.5),
        )

    @asynccontextmanager
    async def open_uow(self) -> "AsyncIterator[World]":
        if self.away:
            raise StoreUnavailable
        yield self

    async def commit(self, *, durable: bool = True) -> None:
        assert durable

    async def announce(self, announcements: Sequence[Announcement]) -> None:
        self.announced += announcements

    async def enqueue(self, *callbacks: QueuedCallback) -> None:
        """With a window of a day."""
        ends = self.store.now + DAY
        for it in callbacks:
            stored = StoredBodies(type="message.delivered", sealed=_sealed(it), trace_id="a" * 32)
            self.callback_targets.stored[EventKey(it.tenant_id, it.event_id)] = stored
        await self.lanes.enqueue([replace(it, window_ends_at=ends) for it in callbacks])

    async def run(self, *, slow: bool = False) -> int:
        """One pass, to the end of all that it began."""
        looked_at = await self.deliver(slow=slow)
        await self.idle()
        return looked_at

    async def idle(self) -> None:
        async with asyncio.timeout(30):
            while self.deliver.under_way:
                await asyncio.sleep(0)

    def go_on(self, by: timedelta) -> None:
        self.clock.go_on(by)
        self.store.now += by
        self.callback_log.now = self.store.now

    @property
    def ends(self) -> list[EndedCallback]:
        return list(self.callback_log.ends.values())

    @property
    def attempts(self) -> list[FinishedAttempt]:
        return list(self.callback_log.finished.values())

    @property
    def lane(self) -> Lane:
        return self.store.lanes[LANE]

    @property
    def breaker(self) -> str:
        return self.lane.health.breaker

    def _endpoint(self) -> None:
        self.callback_log.now = NOON
        secret_id = CallbackSecretId(UUID(int=9))
        secret = CallbackSecret(
            endpoint_id=ENDPOINT,
            id=secret_id,
            secret_encrypted=seal_secret(CIPHER, ENDPOINT, secret_id, SECRET),
            created_at=NOON,
        )
        endpoint = an_endpoint(
            url_encrypted=seal_url(CIPHER, ENDPOINT, URL),
            headers_encrypted=seal_headers(CIPHER, ENDPOINT, {"x-key": "k"}),
        )
        self.callback_targets.endpoints[LANE] = Target(endpoint=endpoint, secrets=[secret])
        self._ids = SequentialIds()


def _sealed(callback: QueuedCallback) -> bytes:
    return CIPHER.seal(body.context(callback.event_id), body.packed(body.Bodies(BODY)))


def callbacks(*sequences: int, key: str = "a") -> list[QueuedCallback]:
    return [a_callback(sequence, key) for sequence in sequences]
