"""Messages of a template that is paused or was changed: held, told so, and gone soon after it is back."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
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


async def released(delivery: Delivery) -> int:
    """As the job does when it is due: how many of the template's messages were let go."""
    async with delivery.open() as uow:
        count = await uow.held_messages.release_some(TENANT, TEMPLATE, 500)
        await uow.commit()
    return count


async def requests(delivery: Delivery) -> Sequence[tuple[str, float]]:
    """The template of each request for a release, and the seconds until it is due."""
    async with delivery.engines.system.connect() as connection:
        rows = await connection.exec_driver_sql(
            "SELECT unique_key, extract(epoch FROM due_at - clock_timestamp()) AS wait FROM jobs"
            " WHERE kind = 'release_held'"
        )
        return [(row.unique_key, float(row.wait)) for row in rows]


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
    key = await submitted(delivery)
    await set_template(delivery, **changes)
    await delivery.run()

    assert (await delivery.message(key)).state is State.QUEUED
    assert await held(delivery, key) == code
    assert min(await waits(delivery)) > 10

    await set_template(delivery, **changes | {"changed_at": None})
    async with delivery.open() as uow:
        await take_in_news(uow, [APPROVED])
        await uow.commit()
    if code == "template_paused":
        [(template, wait)] = await requests(delivery)
        assert template == str(TEMPLATE)
        assert 0 < wait <= 2, "it waits until every process knows"
    await delivery.snapshots.look()
    assert await released(delivery) == 1
    await delivery.run()

    assert (await delivery.message(key)).state is State.SUBMITTED
    assert await held(delivery, key) is None


async def test_only_held_messages_of_that_template_are_let_go(delivery: Delivery) -> None:
    await submitted(delivery, template_id=None, send_at=NOON + timedelta(days=9_000), state=State.SCHEDULED)
    await submitted(delivery, send_at=NOON + timedelta(days=9_000), state=State.SCHEDULED)
    await set_template(delivery, status=TemplateStatus.PAUSED)
    await submitted(delivery)
    await delivery.run()

    assert [await released(delivery), await released(delivery)] == [1, 0]
    due, *later = await waits(delivery)
    assert due <= 0
    assert min(later) > 1_000_000


async def test_a_message_that_a_worker_has_is_not_touched(delivery: Delivery) -> None:
    await submitted(delivery)
    await set_template(delivery, status=TemplateStatus.PAUSED)
    await delivery.run()
    async with delivery.engines.system.connect() as connection:
        await connection.exec_driver_sql("BEGIN")
        await connection.exec_driver_sql("SELECT id FROM messages FOR NO KEY UPDATE")

        assert await released(delivery) == 0

        await connection.exec_driver_sql("ROLLBACK")
    assert min(await waits(delivery)) > 10
