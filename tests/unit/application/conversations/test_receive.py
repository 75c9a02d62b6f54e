"""What is kept of an inbound message, and whose window does it open?"""

from datetime import timedelta
from uuid import UUID

import pytest

from messaging.application.conversations import inbound_payload
from messaging.application.conversations.receive import InboundArrived, ReceiveInbound
from messaging.application.ports.secrets import CannotDecrypt
from messaging.domain.conversations.inbound import InboundKind, InboundMessage
from messaging.domain.shared.ids import InboundId, WebhookId
from messaging.domain.shared.mode import Mode
from tests.builders import ACCOUNT, NOON, SENDER, TENANT, an_inbound_message
from tests.unit.application.webhooks.doubles import (
    CIPHER,
    KEY_RING,
    Counts,
    FixedClock,
    KnownTenants,
    LearntAliases,
    Store,
)

INBOUND = InboundId(UUID("019df2d9-4c00-7000-8000-000000000071"))


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def learnt() -> LearntAliases:
    return LearntAliases()


@pytest.fixture
def receive(learnt: LearntAliases) -> ReceiveInbound:
    return ReceiveInbound(
        snapshots=KnownTenants(),
        key_ring=KEY_RING,
        learn_aliases=learnt,
        new_id=lambda: INBOUND,
        clock=FixedClock(),
        telemetry=Counts(),
    )


async def received(receive: ReceiveInbound, store: Store, message: InboundMessage) -> int:
    """How many strangers there were."""
    arrived = InboundArrived(TENANT, ACCOUNT, WebhookId(TENANT), message)
    async with store.open_uow() as uow:
        unmatched_senders = await receive(uow, [arrived])
        await uow.commit()
    return len(unmatched_senders)


async def test_a_message_is_kept_sealed_and_found_by_its_sender(receive: ReceiveInbound, store: Store) -> None:
    message = an_inbound_message()

    assert await received(receive, store, message) == 0

    (row,) = store.inbound
    assert (row.id, row.sender_id, row.account_id, row.tenant_id) == (INBOUND, SENDER, ACCOUNT, TENANT)
    assert row.opens_window
    assert row.contact_indexes == (CIPHER.blind_index("+14155552671"),)
    assert inbound_payload.unseal(CIPHER, row.id, row.sealed) == message
    with pytest.raises(CannotDecrypt):
        inbound_payload.unseal(CIPHER, InboundId(TENANT), row.sealed)


async def test_a_person_is_found_by_number_and_by_user_id(receive: ReceiveInbound, store: Store) -> None:
    await received(receive, store, an_inbound_message(user_id="US.13491208655302741918"))
    await received(receive, store, an_inbound_message(phone=None, user_id="US.13491208655302741918"))

    by_phone, by_user_id = CIPHER.blind_index("+14155552671"), CIPHER.blind_index("US.13491208655302741918")
    assert [row.contact_indexes for row in store.inbound] == [(by_phone, by_user_id), (by_user_id,)]


async def test_a_clock_ahead_of_ours_does_not_lengthen_the_window(receive: ReceiveInbound, store: Store) -> None:
    await received(receive, store, an_inbound_message(occurred_at=NOON + timedelta(hours=5)))
    await received(receive, store, an_inbound_message(occurred_at=NOON - timedelta(hours=5)))

    assert [row.occurred_at for row in store.inbound] == [NOON, NOON - timedelta(hours=5)]


async def test_what_the_provider_sent_survives_whatever_its_size(receive: ReceiveInbound, store: Store) -> None:
    message = an_inbound_message(payload={"type": "order", "order": {"weight": 2**70, "price": 1.5, "x": [None, True]}})

    await received(receive, store, message)

    assert inbound_payload.unseal(CIPHER, INBOUND, store.inbound[0].sealed) == message


async def test_a_message_to_a_number_that_is_not_ours_is_handed_back(receive: ReceiveInbound, store: Store) -> None:
    assert await received(receive, store, an_inbound_message(sender_external_id="999")) == 1
    assert store.inbound == []


async def test_a_message_to_a_part_of_a_sender_is_the_senders(receive: ReceiveInbound, store: Store) -> None:
    """A pool of numbers may be the sender, and a person answers one of the numbers."""
    ours = an_inbound_message().sender_external_id

    assert await received(receive, store, an_inbound_message(sender_external_id="9", further_sender_ids=(ours,))) == 0

    assert [row.sender_id for row in store.inbound] == [SENDER]


@pytest.mark.parametrize("number", ["+5215512345678", "+525512345678"])
async def test_a_mexican_is_found_under_either_spelling(receive: ReceiveInbound, store: Store, number: str) -> None:
    await received(receive, store, an_inbound_message(phone=number))

    assert store.inbound[0].contact_indexes == (CIPHER.blind_index("+525512345678"),)


async def test_a_person_named_by_number_and_by_id_teaches_that_they_are_one(
    receive: ReceiveInbound, store: Store, learnt: LearntAliases
) -> None:
    await received(receive, store, an_inbound_message(user_id="US.13491208655302741918"))
    await received(receive, store, an_inbound_message(phone=None, user_id="US.13491208655302741918"))
    await received(receive, store, an_inbound_message())

    (told,) = learnt.told
    assert (told.alias, told.canonical, told.mode) == ("US.13491208655302741918", "+14155552671", Mode.LIVE)


@pytest.mark.parametrize(
    ("kind", "type"), [(InboundKind.TEXT, "inbound.received"), (InboundKind.REACTION, "inbound.reaction")]
)
async def test_what_a_person_wrote_is_announced_without_who_and_what(
    receive: ReceiveInbound, store: Store, kind: InboundKind, type: str
) -> None:
    message = an_inbound_message(kind=kind)

    await received(receive, store, message)

    (announced,) = store.announced
    assert (announced.type, announced.subject_id, announced.mode) == (type, INBOUND, Mode.LIVE)
    assert announced.data["provider_message_id"] == message.provider_message_id
    assert announced.data["channel"] == "whatsapp"
    told = str(announced.data)
    assert message.phone is not None
    assert message.text is not None
    assert message.phone not in told
    assert message.text not in told


async def test_a_message_that_was_stored_before_is_not_announced_again(receive: ReceiveInbound, store: Store) -> None:
    store.known_inbound.add(an_inbound_message().provider_message_id)

    await received(receive, store, an_inbound_message())

    assert store.announced == []
