"""The fake and Postgres find attempts alike."""

from messaging.application.ports.attempts import AttemptRef
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.transitions import lifecycle
from tests.builders import ACCOUNT, a_receipt
from tests.contracts.stores import MessageStore, accepted, starting
from tests.seeding import OTHER_ACCOUNT, a_new_message


async def test_attempts_are_found_by_the_providers_id_within_an_account(store: MessageStore) -> None:
    [key] = await store.accept([a_new_message()])
    await store.claim()
    await store.move(key, starting)
    await store.move(key, accepted)
    provider_id = str(key.message_id)

    async with store.open_uow() as uow:
        found = await uow.attempts.find([(ACCOUNT, provider_id), (ACCOUNT, "unknown"), (OTHER_ACCOUNT, provider_id)])

        assert found == {(ACCOUNT, provider_id): AttemptRef(key=key, epoch=1)}
        assert await uow.attempts.find([]) == {}


async def test_a_failure_that_a_person_knew_of_is_told_by_its_attempt(store: MessageStore) -> None:
    failed, fine = await store.accept([a_new_message(), a_new_message()])
    await store.claim()
    for key in (failed, fine):
        await store.move(key, starting)
        await store.move(key, accepted)
    report = a_receipt(ReceiptKind.FAILED, provider_message_id=str(failed.message_id))
    await store.move(failed, lambda at: lifecycle.receive(at, [(1, report)]))
    await store.move(failed, lambda at: lifecycle.requeue(at, by="key_1", possible_duplicate=True))

    async with store.open_uow() as uow:
        await uow.lifecycles.lock([failed, fine])

        assert await uow.attempts.known_failed([failed, fine]) == {failed: 1}
        assert await uow.attempts.known_failed([]) == {}
