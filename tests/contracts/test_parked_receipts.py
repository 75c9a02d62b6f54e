"""The fake and Postgres keep early receipts alike."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.ports.parked_receipts import ParkedReceipt, ParkedReceipts
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from tests.builders import ACCOUNT, NOON, TENANT, WAMID, a_receipt
from tests.fakes.parked_receipts import InMemoryParkedReceipts
from tests.seeding import seed_tenant

YESTERDAY = datetime.now(UTC) - timedelta(days=1)

# Yields the port inside a transaction that is committed in the end.
Open = Callable[[], AbstractAsyncContextManager[ParkedReceipts]]


@pytest.fixture(params=["in_memory", "postgres"])
async def opened(request: pytest.FixtureRequest, engines: Engines) -> Open:
    if request.param == "in_memory":
        fake = InMemoryParkedReceipts()

        @asynccontextmanager
        async def in_memory() -> AsyncIterator[ParkedReceipts]:
            yield fake

        return in_memory
    await seed_tenant(engines)

    @asynccontextmanager
    async def committed() -> AsyncIterator[ParkedReceipts]:
        async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
            yield uow.parked_receipts
            await uow.commit()

    return committed


def parked(receipt: Receipt | None = None) -> ParkedReceipt:
    return ParkedReceipt(
        tenant_id=TENANT,
        account_id=ACCOUNT,
        receipt=receipt or a_receipt(recipient_ids=()),
        parked_at=NOON,
        tries=0,
    )


async def test_a_parked_receipt_is_found_by_the_providers_id_once(opened: Open) -> None:
    async with opened() as receipts:
        await receipts.park([parked(), parked()])
        await receipts.park([parked()])

    async with opened() as receipts:
        [found] = await receipts.lock([(ACCOUNT, WAMID), (ACCOUNT, "wamid.other")])
        assert replace(found, digest=b"") == parked()
        assert list(await receipts.lock([(ACCOUNT, "wamid.other")])) == []


async def test_different_receipts_of_one_message_are_all_kept(opened: Open) -> None:
    delivered, read = (parked(a_receipt(kind, recipient_ids=())) for kind in (ReceiptKind.DELIVERED, ReceiptKind.READ))

    async with opened() as receipts:
        await receipts.park([delivered, read])

    async with opened() as receipts:
        assert len(await receipts.lock([(ACCOUNT, WAMID)])) == 2


async def test_a_matched_receipt_is_forgotten(opened: Open) -> None:
    async with opened() as receipts:
        await receipts.park([parked()])
        await receipts.unpark([parked()])

    async with opened() as receipts:
        assert list(await receipts.lock([(ACCOUNT, WAMID)])) == []


async def test_a_receipt_is_looked_at_again_when_its_time_has_come(opened: Open) -> None:
    async with opened() as receipts:
        await receipts.park([parked()])
        assert list(await receipts.lock_due(10)) == []
        await receipts.park_again([(parked(), YESTERDAY)])

    async with opened() as receipts:
        [due] = await receipts.lock_due(10)

    assert (due.receipt, due.tries) == (parked().receipt, 1)


async def test_a_receipt_without_another_look_is_dropped(opened: Open) -> None:
    async with opened() as receipts:
        await receipts.park([parked()])
        await receipts.park_again([(parked(), None)])

    async with opened() as receipts:
        assert list(await receipts.lock([(ACCOUNT, WAMID)])) == []
