"""What a person does about one message: call it back, send it again, or settle it as dead."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.application import jobs
from messaging.application.messages.operating import release_held
from messaging.application.messages.operating.cancel import CancelMessage
from messaging.application.messages.operating.discard import DiscardDeadLetter
from messaging.application.messages.operating.release_held import ReleaseHeld
from messaging.application.messages.operating.retry import RetryDeadLetter, RetryMessage
from messaging.application.messages.reading.views import links
from messaging.application.ports.outbox import Done, Repeat
from messaging.domain.messages.change import Entry
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.state import State
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import MessageId, Prefix, TemplateId, typeid
from tests.builders import KEY, OTHER_TENANT, TEMPLATE, TENANT, a_claimed_job, a_principal
from tests.unit.application.messages.stored import Stored, in_seconds, key_of

BY = typeid(Prefix.KEY, KEY)
ONE = key_of(1).message_id
UNKNOWN = MessageId(UUID(int=99))


def a_stored(state: State) -> Stored:
    stored = Stored()
    stored.put(1, state, waits_for=DispatchKind.DELIVER)
    return stored


def on(stored: Stored, use_case: Any, **others: Any) -> Any:
    return use_case(open_uow=stored.open, **others)


def retrying_letters(stored: Stored) -> Any:
    return on(stored, RetryDeadLetter, retry_message=on(stored, RetryMessage))


async def refusal(attempt: Any) -> str:
    with pytest.raises(DomainError) as refused:
        await attempt
    return refused.value.code


async def test_a_message_that_waits_is_called_back() -> None:
    stored = a_stored(State.QUEUED)

    view = await on(stored, CancelMessage)(a_principal(), ONE)

    assert (view.id, view.status, view.links) == (typeid(Prefix.MESSAGE, ONE), "cancelled", links(ONE))
    assert (stored.states(), stored.waits(1)) == ({1: State.CANCELLED}, None)
    assert stored.told(1) == {"type": "message.cancelled", "by": BY}


async def test_a_message_that_a_worker_has_is_not_called_back() -> None:
    stored = a_stored(State.CLAIMED)

    assert await refusal(on(stored, CancelMessage)(a_principal(), ONE)) == "state_conflict"
    assert stored.states() == {1: State.CLAIMED}


async def test_a_dead_message_is_sent_again_and_its_letter_is_settled() -> None:
    stored = a_stored(State.DEAD)

    view = await retrying_letters(stored)(a_principal(), ONE, possible_duplicate=False)

    assert (view.id, view.status, view.links) == (typeid(Prefix.MESSAGE, ONE), "queued", links(ONE))
    assert (stored.states(), stored.open_letters()) == ({1: State.QUEUED}, set())
    assert stored.waits(1) == (DispatchKind.DELIVER, in_seconds(0))
    assert stored.told(1) == {"type": "message.requeued", "by": BY, "possible_duplicate": "false"}


@pytest.mark.parametrize(("accepts", "comes_to"), [(False, "duplicate_risk"), (True, "queued")])
async def test_a_message_that_may_have_been_sent_is_sent_again_by_whoever_accepts_the_risk(
    accepts: bool, comes_to: str
) -> None:
    stored = a_stored(State.UNCONFIRMED)
    retry = on(stored, RetryMessage)(a_principal(), ONE, possible_duplicate=accepts)

    assert (await retry).status == comes_to if accepts else await refusal(retry) == comes_to
    assert stored.states() == {1: State.QUEUED if accepts else State.UNCONFIRMED}


async def test_a_message_that_never_died_has_no_letter_to_send_again_or_to_settle() -> None:
    stored = a_stored(State.FAILED)

    assert await refusal(retrying_letters(stored)(a_principal(), ONE, possible_duplicate=True)) == "not_found"
    assert await refusal(on(stored, DiscardDeadLetter)(a_principal(), ONE, reason="")) == "not_found"
    assert stored.states() == {1: State.FAILED}


async def test_a_dead_letter_is_settled_once_and_says_by_whom_and_why() -> None:
    stored = a_stored(State.DEAD)
    discard = on(stored, DiscardDeadLetter)

    view = await discard(a_principal(), ONE, reason="not wanted")

    assert (view.message_id, view.resolution, view.links) == (typeid(Prefix.MESSAGE, ONE), "discarded", links(ONE))
    assert (stored.states(), stored.open_letters()) == ({1: State.DEAD}, set())
    assert stored.told(1) == {"type": "dead_letter.discarded", "by": BY, "reason": "not wanted"}
    assert await refusal(discard(a_principal(), ONE, reason="again")) == "state_conflict"
    assert len(stored.of(1).entries) == 1


async def test_what_is_not_there_or_another_tenants_is_not_found() -> None:
    stored = a_stored(State.DEAD)
    for principal, id in ((a_principal(), UNKNOWN), (a_principal(tenant_id=OTHER_TENANT), ONE)):
        assert await refusal(on(stored, CancelMessage)(principal, id)) == "not_found"
        assert await refusal(on(stored, RetryMessage)(principal, id, possible_duplicate=True)) == "not_found"
        assert await refusal(on(stored, DiscardDeadLetter)(principal, id, reason="")) == "not_found"
        assert await refusal(retrying_letters(stored)(principal, id, possible_duplicate=True)) == "not_found"
    assert stored.states() == {1: State.DEAD}


async def test_messages_that_wait_for_their_template_are_let_go_when_it_may_be_sent_again() -> None:
    stored = Stored()
    paused = Entry(type="attempt.released", state=State.QUEUED, detail={"reason": "template_paused"})
    stored.put(1, State.QUEUED, waits_for=DispatchKind.DELIVER, since=-60, entries=(paused,))
    release: Any = ReleaseHeld(open_uow=stored.open_uow)  # type: ignore[arg-type]

    assert await release(jobs.ReleaseHeld(template_id=TemplateId(TENANT)), a_claimed_job()) == Done()
    assert stored.waits(1) != (DispatchKind.DELIVER, in_seconds(0))

    assert await release(jobs.ReleaseHeld(template_id=TEMPLATE), a_claimed_job()) == Done()
    assert stored.waits(1) == (DispatchKind.DELIVER, in_seconds(0))


async def test_many_messages_of_a_template_are_let_go_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_held, "_BATCH", 2)
    stored = Stored()
    paused = Entry(type="attempt.released", state=State.QUEUED, detail={"reason": "template_paused"})
    for number in (1, 2, 3):
        stored.put(number, State.QUEUED, waits_for=DispatchKind.DELIVER, since=-60, entries=(paused,))
    release: Any = ReleaseHeld(open_uow=stored.open_uow)  # type: ignore[arg-type]
    job = jobs.ReleaseHeld(template_id=TEMPLATE)

    assert await release(job, a_claimed_job()) == Repeat(timedelta(0))
    assert await release(job, a_claimed_job()) == Done()
