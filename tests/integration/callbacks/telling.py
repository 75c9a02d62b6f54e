"""What a test of events works with: a tenant that listens, its messages, and the fan-out, on a real database."""

from datetime import timedelta
from typing import Any

import asyncpg
from uuid_utils.compat import uuid7

from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.adapters.postgres.callbacks.delivering.lanes import PostgresLanes
from messaging.adapters.postgres.callbacks.fan_out_unit import PostgresFanOutFactory
from messaging.adapters.postgres.configuration.snapshots import PostgresSnapshots
from messaging.adapters.postgres.messages.optimistic_writes import PostgresOptimisticWrites
from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory, PostgresUnitOfWorkFactory
from messaging.application.callbacks.announcing.fan_out import FanOut
from messaging.application.callbacks.announcing.queries import CallbackEventsView, ListCallbackEvents
from messaging.application.messages.reading import payload
from messaging.application.ports.callbacks.events import EventFilter
from messaging.application.ports.submissions import NewMessage
from messaging.domain.callbacks import body
from messaging.domain.callbacks.endpoint import CallbackEndpoint
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Sent
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import CallbackEndpointId, CallbackEventId, MessageId, Prefix, TenantId, parse_typeid
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.composition.clock import SystemClock, new_id
from tests import builders
from tests.builders import TENANT, a_principal, a_receipt
from tests.fakes.listening import InMemoryListening
from tests.fakes.telemetry import Counts
from tests.seeding import a_new_message, an_acceptance

RING = AesKeyRing(b"m" * 32)
KEYS = (RING.new_data_key(TENANT),)
CIPHER = RING.cipher(TENANT, KEYS)
EVERYTHING = EventFilter()
LEASE = timedelta(seconds=30)
WINDOWS = dict.fromkeys(Mode, timedelta(hours=24))


class Telling:
    """One tenant in live mode whose messages are really encrypted. `listening` tells who is announced for."""

    def __init__(self, engines: Engines, database: str) -> None:
        self.engines, self.database = engines, database
        self.listening = InMemoryListening((TENANT, Mode.LIVE))
        self.open = PostgresUnitOfWorkFactory(engines.app, listening=self.listening)
        self.system = PostgresSystemUnitOfWorkFactory(engines.system, listening=self.listening)
        self.submissions = PostgresSubmissions(engines.app, self.listening)
        self.writes = PostgresOptimisticWrites(engines.system, self.listening)
        self.snapshots = PostgresSnapshots(engines.system)
        self.telemetry = Counts()
        self.fan_out = self.another_fan_out()

    def another_fan_out(self) -> FanOut:
        return FanOut(
            open_fan_out=PostgresFanOutFactory(self.engines.system, lanes=PostgresLanes),
            snapshots=self.snapshots,
            key_ring=RING,
            new_id=new_id,
            clock=SystemClock(),
            telemetry=self.telemetry,
            windows=WINDOWS,
        )

    async def seed(self) -> None:
        async with self.system() as system:
            await system.platform.add_tenant(builders.a_tenant(), KEYS[0])
            await system.commit()
        async with self.open(TENANT, Mode.LIVE) as uow:
            await uow.accounts.add_account(builders.an_account())
            await uow.senders.add_sender(builders.a_sender())
            await uow.templates.add_template(builders.a_template())
            await uow.commit()

    async def add_endpoint(self, **changes: Any) -> CallbackEndpoint:
        endpoint = builders.an_endpoint(**({"id": CallbackEndpointId(uuid7())} | changes))
        async with self.open(TENANT, endpoint.mode) as uow:
            await uow.callback_endpoints.add(endpoint)
            await uow.commit()
        return endpoint

    # --- messages ---------------------------------------------------------------------------------------------------

    async def accept(self, number: int = 1, **changes: Any) -> list[MessageKey]:
        new = [a_message(**changes) for _ in range(number)]
        await self.submissions.accept_many([an_acceptance(it) for it in new])
        return [MessageKey(it.message.tenant_id, it.message.id) for it in new]

    async def deliver(self, key: MessageKey, *, commit: bool = True) -> None:
        """Claim it, start it, send it, and hear that it was delivered, in one transaction."""
        async with self.system() as uow:
            message = (await uow.lifecycles.lock([key]))[key]
            claim = lifecycle.take_up(message, worker="w1", lease=LEASE)
            assert claim is not None
            await uow.lifecycles.apply([claim])
            message = (await uow.lifecycles.lock([key]))[key]
            start = lifecycle.start(message, epoch=1, worker="w1", lease=LEASE)
            assert start is not None
            await uow.lifecycles.apply([start])
            message = (await uow.lifecycles.lock([key]))[key]
            sent = Sent(provider_message_id=f"wamid.{key.message_id}")
            await uow.lifecycles.apply([lifecycle.conclude(message, epoch=1, result=sent, latency_ms=12)])
            message = (await uow.lifecycles.lock([key]))[key]
            await uow.lifecycles.apply([lifecycle.receive(message, [(1, a_receipt(ReceiptKind.DELIVERED))])])
            if commit:
                await uow.commit()

    # --- what came of it --------------------------------------------------------------------------------------------

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.database)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def pending(self) -> list[tuple[MessageId, int, str]]:
        rows = await self.fetch("SELECT subject_id, sequence, type FROM pending_events ORDER BY number")
        return [(row["subject_id"], row["sequence"], row["type"]) for row in rows]

    async def until_nothing_waits(self) -> None:
        while await self.fan_out():
            pass

    async def events(self, wanted: EventFilter = EVERYTHING, *, after: str | None = None) -> CallbackEventsView:
        listed = ListCallbackEvents(open_uow=self.open, snapshots=self.snapshots, key_ring=RING, clock=SystemClock())
        position = None if after is None else parse_typeid(Prefix.EVENT, after)
        return await listed(
            a_principal(), wanted, after=None if position is None else CallbackEventId(position), limit=100
        )

    async def bodies(self) -> list[body.Bodies]:
        rows = await self.fetch("SELECT id, body_encrypted FROM callback_events ORDER BY id")
        return [body.unpacked(CIPHER.open(body.context(row["id"]), row["body_encrypted"])) for row in rows]

    async def queued(self) -> list[asyncpg.Record]:
        return await self.fetch("SELECT * FROM callback_queue ORDER BY event_id, endpoint_id")


def a_message(*, tenant_id: TenantId = TENANT, **changes: Any) -> NewMessage:
    """Encrypted as the API does it."""
    new = a_new_message(tenant_id=tenant_id, **changes)
    message = new.message
    packed = payload.encode(
        payload.Payload(to=message.recipient, content=message.content, metadata=message.metadata, pin=message.pin)
    )
    return NewMessage(
        message=message,
        sealed=CIPHER.seal(payload.context(message.id), packed),
        recipient_index=new.recipient_index,
    )
