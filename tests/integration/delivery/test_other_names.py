"""A provider that knows a person under another number teaches it with its answer to a send."""

from messaging.adapters.postgres.unit_of_work import PostgresUnitOfWorkFactory
from messaging.application.contacts.indexes import index_of
from messaging.domain.channels.address import Phone
from messaging.domain.messages.retry import Sent
from messaging.domain.shared.mode import Mode
from tests.builders import TENANT
from tests.integration.delivery.delivering import KEYS, LANE, RING, Delivery, sealed_message
from tests.seeding import accept, lock_due

CIPHER = RING.cipher(TENANT, KEYS)
TYPED, WA_ID = "+14155550109", "+1415550109"


def answered(wa_id: str) -> Sent:
    return Sent(provider_message_id="wamid.1", recipient_id=wa_id)


async def sent_to(delivery: Delivery, number: str) -> None:
    new = sealed_message(recipient=Phone(number), recipient_index=index_of(CIPHER, number))
    await accept(delivery.engines, [new])
    assert await delivery.run() == 1


async def test_the_number_in_the_answer_is_learnt_once_and_the_one_given_is_still_sent_to(delivery: Delivery) -> None:
    delivery.gateway.answer = delivery.gateway.started_then(answered(WA_ID[1:]))
    await sent_to(delivery, TYPED)
    await sent_to(delivery, TYPED)

    async with PostgresUnitOfWorkFactory(delivery.engines.app)(TENANT, Mode.LIVE) as uow:
        names = await uow.contact_aliases.names_of([index_of(CIPHER, TYPED)])
    assert names == {index_of(CIPHER, TYPED), index_of(CIPHER, WA_ID)}


async def test_both_spellings_share_the_limit_of_their_recipient(delivery: Delivery) -> None:
    delivery.gateway.answer = delivery.gateway.started_then(answered(WA_ID[1:]))
    await sent_to(delivery, TYPED)
    await accept(
        delivery.engines,
        [sealed_message(recipient=Phone(to), recipient_index=index_of(CIPHER, to)) for to in (TYPED, WA_ID)],
    )

    async with delivery.open() as uow:
        due = await lock_due(uow.due_messages, LANE)

    assert [one.recipient_index for one in due] == [index_of(CIPHER, WA_ID)] * 2


async def test_an_answer_that_names_the_number_as_it_was_given_teaches_nothing(delivery: Delivery) -> None:
    for number, wa_id in (("+14155550100", "14155550100"), ("+525512345678", "5215512345678")):
        delivery.gateway.answer = delivery.gateway.started_then(answered(wa_id))
        await sent_to(delivery, number)

    async with delivery.engines.system.connect() as connection:
        assert (await connection.exec_driver_sql("SELECT count(*) FROM contact_aliases")).scalar_one() == 0
