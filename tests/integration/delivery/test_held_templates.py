"""Messages of a template that is paused or was changed: held, told so, and gone soon after it is back."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.messages.operating.release_held import ReleaseHeld
from messaging.application.messages.reading.queries import FindMessage
from messaging.application.templates.news import take_in_news
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import TemplateStatus
from tests import builders
from tests.builders import ACCOUNT, NOON, TEMPLATE, TENANT
from tests.integration.delivery.delivering import RING, Delivery, submitted

APPROVED = TemplateNews(
    tenant_id=TENANT,
    account_id=ACCOUNT,
    external_id="1407680676729941",
    at=NOON,
    heard_at=NOON,
    status=TemplateStatus.APPROVED,
)


async def set_template(delivery: Delivery, **changes: Any) -> None:
    async with PostgresUnitOfWorkFactory(delivery.engines.app)(TENANT, Mode.LIVE) as uow:
        await uow.reviewed_templates.update_template(builders.a_template(**changes))
        await uow.commit()
    await delivery.snapshots.look()


async def due_soon(delivery: Delivery) -> None:
    """As if the two seconds until a release were over."""
    async with delivery.engines.system.connect() as connection:
        await connection.exec_driver_sql("UPDATE dispatches SET due_at = clock_timestamp() WHERE kind = 'release_held'")


async def waits(delivery: Delivery) -> Sequence[float]:
    """Seconds until each message is due."""
    async with delivery.engines.system.connect() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT extract(epoch FROM due_at - clock_timestamp()) AS wait FROM dispatches WHERE kind = 'deliver'"
        )
        return sorted(float(row.wait) for row in rows)


async def held(delivery: Delivery, key: MessageKey) -> str | None:
    find = FindMessage(
        open_uow=PostgresUnitOfWorkFactory(delivery.engines.app), snapshots=delivery.snapshots, key_ring=RING
    )
    return (await find(builders.a_principal(), key.message_id)).held


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"status": TemplateStatus.PAUSED}, "template_paused"), ({"changed_at": NOON}, "template_changed")],
)
async def test_a_message_says_what_holds_it_and_goes_when_its_template_is_back(
    delivery: Delivery, changes: dict[str, Any], code: str
) -> None:
    release = ReleaseHeld(open_uow=delivery.open)
    key = await submitted(delivery)
    await set_template(delivery, **changes)
    await delivery.run()

    assert (await delivery.message(key)).state is State.QUEUED
    assert await held(delivery, key) == code
    assert min(await waits(delivery)) > 10

    await set_template(delivery, **changes | {"changed_at": None})
    async with delivery.open() as uow:
        await take_in_news(uow, [APPROVED])
        await uow.template_requests.release([(TENANT, TEMPLATE)])
        await uow.commit()
    assert await release() == 0, "it waits until every process knows"
    await due_soon(delivery)
    await delivery.snapshots.look()
    while await release():
        pass
    await delivery.run()

    assert (await delivery.message(key)).state is State.SUBMITTED
    assert await held(delivery, key) is None


async def test_only_held_messages_of_that_template_are_let_go(delivery: Delivery) -> None:
    release = ReleaseHeld(open_uow=delivery.open)
    await submitted(delivery, template_id=None, send_at=NOON + timedelta(days=9_000), state=State.SCHEDULED)
    await submitted(delivery, send_at=NOON + timedelta(days=9_000), state=State.SCHEDULED)
    await set_template(delivery, status=TemplateStatus.PAUSED)
    await submitted(delivery)
    await delivery.run()

    async with delivery.open() as uow:
        await uow.template_requests.release([(TENANT, TEMPLATE)])
        await uow.commit()
    await due_soon(delivery)

    assert [await release(), await release()] == [2, 0]
    due, *later = await waits(delivery)
    assert due <= 0
    assert min(later) > 1_000_000


async def test_a_message_that_a_worker_has_is_not_touched(delivery: Delivery) -> None:
    release = ReleaseHeld(open_uow=delivery.open)
    await submitted(delivery)
    await set_template(delivery, status=TemplateStatus.PAUSED)
    await delivery.run()
    async with delivery.open() as uow:
        await uow.template_requests.release([(TENANT, TEMPLATE)])
        await uow.commit()
    await due_soon(delivery)
    async with delivery.engines.system.connect() as connection:
        await connection.exec_driver_sql("BEGIN")
        await connection.exec_driver_sql("SELECT id FROM messages FOR NO KEY UPDATE")

        assert await release() == 1

        await connection.exec_driver_sql("ROLLBACK")
    assert min(await waits(delivery)) > 10
