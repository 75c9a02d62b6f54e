"""Is what happens to a message announced in the transaction in which it happens, once, and to nobody else?"""

import pytest
from msgspec.structs import replace

from messaging.application.ports.lifecycles import StaleChange
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.mode import Mode
from tests.builders import OTHER_TENANT, TENANT
from tests.integration.callbacks.telling import LEASE, Telling, a_message
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, a_new_message, an_acceptance, seed_other_tenant


async def test_every_public_step_of_a_message_is_announced_once(telling: Telling) -> None:
    (key,) = await telling.accept()
    await telling.deliver(key)

    announced = await telling.pending()

    timeline = await telling.fetch("SELECT seq, type FROM events ORDER BY seq")
    public = {row["seq"] for row in timeline if row["type"] in ("message.accepted", "message.submitted")}
    public.add(next(row["seq"] for row in timeline if row["type"] == "receipt.delivered"))
    assert [(sequence, type) for _, sequence, type in announced] == list(
        zip(sorted(public), ["message.accepted", "message.submitted", "message.delivered"], strict=True)
    )
    assert {subject for subject, _, _ in announced} == {key.message_id}


async def test_a_message_that_waits_for_its_time_is_announced_as_scheduled(telling: Telling) -> None:
    await telling.accept(state=State.SCHEDULED)

    assert [type for _, _, type in await telling.pending()] == ["message.scheduled"]


async def test_what_is_rolled_back_is_not_announced(telling: Telling) -> None:
    (key,) = await telling.accept()
    await telling.deliver(key, commit=False)

    assert [type for _, _, type in await telling.pending()] == ["message.accepted"]


async def test_a_change_that_is_refused_is_not_announced(telling: Telling) -> None:
    (key,) = await telling.accept()
    async with telling.system() as uow:
        message = (await uow.lifecycles.lock([key]))[key]
        cancelled = lifecycle.cancel(message, by="key_1")
        await uow.lifecycles.apply([cancelled])
        with pytest.raises(StaleChange):
            await uow.lifecycles.apply([cancelled])

    assert [type for _, _, type in await telling.pending()] == ["message.accepted"]


async def test_of_changes_written_without_locks_only_those_that_held_are_announced(telling: Telling) -> None:
    moved, stale = await telling.accept(2)
    changes = []
    async with telling.system() as uow:
        for key in (moved, stale):
            message = (await uow.lifecycles.lock([key]))[key]
            changes.append(lifecycle.cancel(message, by="key_1"))
        claim = lifecycle.take_up((await uow.lifecycles.lock([stale]))[stale], worker="w1", lease=LEASE)
        assert claim is not None
        await uow.lifecycles.apply([claim])
        await uow.commit()
    first_attempts = [replace(change, epoch=1) for change in changes]

    assert await telling.writes.write(first_attempts) == {moved}

    announced = [(subject, type) for subject, _, type in await telling.pending() if type == "message.cancelled"]
    assert announced == [(moved.message_id, "message.cancelled")]


async def test_only_tenants_that_listen_in_the_mode_of_the_message_are_announced_for(telling: Telling) -> None:
    telling.listening.all = {(OTHER_TENANT, Mode.LIVE), (TENANT, Mode.TEST)}

    (key,) = await telling.accept()
    await telling.deliver(key)

    assert await telling.pending() == []


async def test_a_batch_of_several_tenants_is_announced_for_those_that_listen(telling: Telling) -> None:
    await seed_other_tenant(telling.engines)
    theirs = a_new_message(tenant_id=OTHER_TENANT, sender_id=OTHER_SENDER, account_id=OTHER_ACCOUNT, template_id=None)
    ours = a_message()

    await telling.submissions.accept_many([an_acceptance(theirs, tenant_id=OTHER_TENANT), an_acceptance(ours)])

    assert [subject for subject, _, _ in await telling.pending()] == [ours.message.id]


async def test_a_repeated_request_announces_nothing(telling: Telling) -> None:
    new = a_message()
    await telling.submissions.accept_many([an_acceptance(new)])
    await telling.submissions.accept_many([an_acceptance(new)])

    assert len(await telling.pending()) == 1
