"""Do the fake and Postgres keep the provider's bytes, and early receipts, alike?"""

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.callbacks import PostgresCallbackStore
from messaging.adapters.postgres.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.ports.callbacks import Callbacks, CallbackStore, ParkedReceipt, RawCallback
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.shared.ids import CallbackId
from tests.builders import ACCOUNT, NOON, TENANT, WAMID, a_receipt
from tests.fakes.callbacks import InMemoryCallbacks
from tests.seeding import seed_tenant

FIRST = CallbackId(UUID("019df2d9-4c00-7000-8000-000000000081"))
SECOND = CallbackId(UUID("019df2d9-4c00-7000-8000-000000000082"))
YESTERDAY = datetime.now(UTC) - timedelta(days=1)


class Inbox(NamedTuple):
    """`open` yields the worker's side inside a transaction that is committed in the end."""

    store: CallbackStore
    open: Callable[[], AbstractAsyncContextManager[Callbacks]]


@pytest.fixture(params=["in_memory", "postgres"])
async def inbox(request: pytest.FixtureRequest, engines: Engines) -> Inbox:
    if request.param == "in_memory":
        fake = InMemoryCallbacks()

        @asynccontextmanager
        async def opened() -> AsyncIterator[Callbacks]:
            yield fake

        return Inbox(fake, opened)
    await seed_tenant(engines)

    @asynccontextmanager
    async def committed() -> AsyncIterator[Callbacks]:
        async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
            yield uow.callbacks
            await uow.commit()

    return Inbox(PostgresCallbackStore(engines.system), committed)


def a_callback(id: CallbackId = FIRST, body: bytes = b"{}") -> RawCallback:
    return RawCallback(
        id=id,
        tenant_id=TENANT,
        account_id=ACCOUNT,
        provider="whatsapp_cloud",
        digest=hashlib.sha256(body).digest(),
        sealed=b"sealed " + body,
        received_at=NOON,
    )


def parked(receipt: Receipt | None = None) -> ParkedReceipt:
    return ParkedReceipt(
        tenant_id=TENANT,
        account_id=ACCOUNT,
        receipt=receipt or a_receipt(recipient_ids=()),
        parked_at=NOON,
        tries=0,
    )


async def test_what_is_stored_waits_as_it_came(inbox: Inbox) -> None:
    assert await inbox.store.store_many([a_callback()]) == [True]

    async with inbox.open() as callbacks:
        assert list(await callbacks.lock_due(10)) == [a_callback()]


async def test_the_same_bytes_are_stored_once(inbox: Inbox) -> None:
    first = await inbox.store.store_many([a_callback(), a_callback(SECOND)])
    again = await inbox.store.store_many([a_callback(SECOND)])

    assert (first, again) == ([True, False], [False])
    async with inbox.open() as callbacks:
        assert list(await callbacks.lock_due(10)) == [a_callback()]


async def test_an_empty_batch_stores_nothing(inbox: Inbox) -> None:
    assert list(await inbox.store.store_many([])) == []


async def test_the_processed_do_not_wait_any_more(inbox: Inbox) -> None:
    await inbox.store.store_many([a_callback(), a_callback(SECOND, b"[]")])

    async with inbox.open() as callbacks:
        [one] = await callbacks.lock_due(1)
        await callbacks.processed([one])

    async with inbox.open() as callbacks:
        assert len(await callbacks.lock_due(10)) == 1


async def test_what_cannot_be_processed_is_set_aside(inbox: Inbox) -> None:
    await inbox.store.store_many([a_callback()])

    async with inbox.open() as callbacks:
        await callbacks.set_aside(a_callback(), problem="not JSON")

    async with inbox.open() as callbacks:
        assert list(await callbacks.lock_due(10)) == []


async def test_what_was_set_aside_can_be_put_back_the_longest_waiting_first(inbox: Inbox) -> None:
    first, second = a_callback(), a_callback(SECOND, b"[]")
    await inbox.store.store_many([first, second])
    async with inbox.open() as callbacks:
        await callbacks.set_aside(second, problem="not JSON")
        await callbacks.set_aside(first, problem="not JSON")

    async with inbox.open() as callbacks:
        assert await callbacks.put_back(1) == 1
    async with inbox.open() as callbacks:
        assert list(await callbacks.lock_due(10)) == [second]
        assert await callbacks.put_back(10) == 1

    async with inbox.open() as callbacks:
        assert {callback.id for callback in await callbacks.lock_due(10)} == {FIRST, SECOND}
        assert await callbacks.put_back(10) == 0


async def test_a_parked_receipt_is_found_by_the_providers_id_once(inbox: Inbox) -> None:
    async with inbox.open() as callbacks:
        await callbacks.park([parked(), parked()])
        await callbacks.park([parked()])

    async with inbox.open() as callbacks:
        [found] = await callbacks.lock_parked([(ACCOUNT, WAMID), (ACCOUNT, "wamid.other")])
        assert replace(found, digest=b"") == parked()
        assert list(await callbacks.lock_parked([(ACCOUNT, "wamid.other")])) == []


async def test_different_receipts_of_one_message_are_all_kept(inbox: Inbox) -> None:
    delivered, read = (parked(a_receipt(kind, recipient_ids=())) for kind in (ReceiptKind.DELIVERED, ReceiptKind.READ))

    async with inbox.open() as callbacks:
        await callbacks.park([delivered, read])

    async with inbox.open() as callbacks:
        assert len(await callbacks.lock_parked([(ACCOUNT, WAMID)])) == 2


async def test_a_matched_receipt_is_forgotten(inbox: Inbox) -> None:
    async with inbox.open() as callbacks:
        await callbacks.park([parked()])
        await callbacks.unpark([parked()])

    async with inbox.open() as callbacks:
        assert list(await callbacks.lock_parked([(ACCOUNT, WAMID)])) == []


async def test_a_receipt_is_looked_at_again_when_its_time_has_come(inbox: Inbox) -> None:
    async with inbox.open() as callbacks:
        await callbacks.park([parked()])
        assert list(await callbacks.lock_parked_due(10)) == []
        await callbacks.park_again([(parked(), YESTERDAY)])

    async with inbox.open() as callbacks:
        [due] = await callbacks.lock_parked_due(10)

    assert (due.receipt, due.tries) == (parked().receipt, 1)


async def test_a_receipt_without_another_look_is_dropped(inbox: Inbox) -> None:
    async with inbox.open() as callbacks:
        await callbacks.park([parked()])
        await callbacks.park_again([(parked(), None)])

    async with inbox.open() as callbacks:
        assert list(await callbacks.lock_parked([(ACCOUNT, WAMID)])) == []
