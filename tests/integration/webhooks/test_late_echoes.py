"""Does the provider's late word correct what we had given up, however late it comes?"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.receipts import ProviderError, ReceiptKind
from messaging.domain.messages.reference import write
from messaging.domain.messages.retry import Uncertain
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.shared.ids import MessageId
from tests.builders import TENANT, a_receipt
from tests.integration.webhooks import meta
from tests.integration.webhooks.platform import Platform
from tests.integration.webhooks.test_process import post, state
from tests.seeding import a_new_message, an_acceptance

# Longer ago than the thirty days we promise.
LONG_AGO = datetime.now(UTC) - timedelta(days=31)
ERROR = ProviderError(code="unreadable", reason="Its stored content cannot be read.")

Step = Callable[[MessageState], Change | None]


def take_up(at: MessageState) -> Change | None:
    return lifecycle.take_up(at, worker="w1", lease=timedelta(seconds=30))


UNCLEAR: tuple[Step, ...] = (
    take_up,
    lambda at: lifecycle.start(at, epoch=1, worker="w1", lease=timedelta(seconds=60)),
    lambda at: conclude(at, epoch=1, result=Uncertain(reason="The connection broke.")),
)
UNCONFIRMED: tuple[Step, ...] = (*UNCLEAR, lifecycle.resolve_unknown)
SENT_AGAIN: tuple[Step, ...] = (
    *UNCONFIRMED,
    lambda at: lifecycle.requeue(at, by="key_1", possible_duplicate=True),
)
ENDS: dict[str, tuple[Step, ...]] = {
    "unconfirmed": UNCONFIRMED,
    "dead": (*SENT_AGAIN, take_up, lambda at: lifecycle.dead_letter(at, epoch=2, error=ERROR)),
    "cancelled": (*SENT_AGAIN, lambda at: lifecycle.cancel(at, by="key_1")),
    "failed": (*UNCLEAR, lambda at: lifecycle.receive(at, [(1, a_receipt(ReceiptKind.FAILED))])),
}


async def given_up(platform: Platform, *steps: Step) -> MessageKey:
    adapters = platform.application.adapters
    milliseconds = int(LONG_AGO.timestamp() * 1000)
    id = MessageId(UUID(int=(milliseconds << 80) | (uuid7().int & (1 << 80) - 1)))
    await adapters.submissions().accept_many([an_acceptance(a_new_message(id=id, created_at=LONG_AGO))])
    key = MessageKey(TENANT, id)
    for step in steps:
        async with adapters.open_system_uow()() as uow:
            change = step((await uow.lifecycles.lock([key]))[key])
            assert change is not None
            await uow.lifecycles.apply([change])
            await uow.commit()
    return key


@pytest.mark.parametrize("end", ENDS)
async def test_an_echo_of_a_month_ago_moves_what_was_given_up(
    client: httpx.AsyncClient, platform: Platform, end: str
) -> None:
    key = await given_up(platform, *ENDS[end])
    assert await state(platform, key) == end

    echo = write(key.message_id, 1, platform.cipher.tag)
    await post(client, meta.statuses(meta.status("wamid.late", biz_opaque_callback_data=echo)))
    await platform.process()

    assert await state(platform, key) == "delivered"
    attempt = "SELECT outcome FROM attempts WHERE message_id = $1 AND epoch = 1"
    assert await platform.value(attempt, key.message_id) == "accepted"
    assert await platform.rows("SELECT * FROM dispatches WHERE subject_id = $1", key.message_id) == []
    letters = await platform.rows("SELECT resolution FROM dead_letters WHERE message_id = $1", key.message_id)
    assert letters == ([{"resolution": "resolved_by_provider"}] if end == "dead" else [])


async def test_another_tenants_tag_corrects_nothing(client: httpx.AsyncClient, platform: Platform) -> None:
    key = await given_up(platform, *UNCONFIRMED)

    echo = write(key.message_id, 1, lambda part: "AAAAAAAA")
    await post(client, meta.statuses(meta.status("wamid.late", biz_opaque_callback_data=echo)))
    await platform.process()

    assert await state(platform, key) == "unconfirmed"


async def test_a_repeated_failure_does_not_end_what_a_person_has_sent_again(
    client: httpx.AsyncClient, platform: Platform
) -> None:
    """And a delivery of the attempt that had failed still does."""
    key = await given_up(platform, *ENDS["failed"], lambda at: lifecycle.requeue(at, by="key", possible_duplicate=True))
    echo = write(key.message_id, 1, platform.cipher.tag)

    for status in ("failed", "sent"):
        await post(client, meta.statuses(meta.status("wamid.late", status, biz_opaque_callback_data=echo)))
        await platform.process()
    still = await state(platform, key)
    await post(client, meta.statuses(meta.status("wamid.late", "delivered", biz_opaque_callback_data=echo)))
    await platform.process()

    assert still == "queued"
    assert await state(platform, key) == "delivered"
