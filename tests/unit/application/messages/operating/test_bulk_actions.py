"""What a person decides about messages that will not go on by themselves, one by one and by the filter."""

from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.operating.bulk_actions import (
    ActedResult,
    ActedView,
    Action,
    ActOnMessages,
    Discard,
    Matching,
    Named,
    Order,
    Requeue,
    Resolve,
)
from messaging.application.ports.records import MessageFilter
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from tests.builders import KEY, NOON, a_principal
from tests.unit.application.messages.stored import Stored, in_seconds, key_of

BY = typeid(Prefix.KEY, KEY)
DONE, REFUSED = ActedResult.DONE, ActedResult.REFUSED
ACCEPTING = Requeue(possible_duplicate=True)


def id_of(number: int) -> str:
    return typeid(Prefix.MESSAGE, key_of(number).message_id)


@pytest.fixture
def stored() -> Stored:
    """A message in each state that a person may decide about: 1 dead, 2 unconfirmed, 3 failed; and 4 queued."""
    stored = Stored()
    for number, state in enumerate((State.DEAD, State.UNCONFIRMED, State.FAILED, State.QUEUED), start=1):
        stored.put(number, state)
    return stored


async def act(stored: Stored, action: Action, upon: Named | Matching, *, dry_run: bool = False) -> ActedView:
    order = Order(action=action, upon=upon, reason="asked for", dry_run=dry_run)
    open_uow: Any = stored.open
    return await ActOnMessages(open_uow=open_uow)(a_principal(), order)


def named(*numbers: int) -> Named:
    return Named(ids=tuple(id_of(number) for number in numbers))


def results(view: ActedView) -> list[tuple[ActedResult, str | None, str | None]]:
    return [(item.result, item.code, item.status) for item in view.data]


# --- each by itself ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (
            Requeue(),
            [
                (DONE, None, "queued"),
                (REFUSED, "duplicate_risk", "unconfirmed"),
                (DONE, None, "queued"),
                (REFUSED, "state_conflict", "queued"),
            ],
        ),
        (ACCEPTING, [(DONE, None, "queued")] * 3 + [(REFUSED, "state_conflict", "queued")]),
        (
            Resolve(),
            [
                (REFUSED, "state_conflict", "dead"),
                (DONE, None, "failed"),
                (REFUSED, "state_conflict", "failed"),
                (REFUSED, "state_conflict", "queued"),
            ],
        ),
        (
            Discard(),
            [
                (DONE, None, "dead"),
                (REFUSED, "state_conflict", "unconfirmed"),
                (REFUSED, "state_conflict", "failed"),
                (REFUSED, "state_conflict", "queued"),
            ],
        ),
    ],
)
async def test_each_message_is_decided_by_itself_and_what_is_refused_stays(
    stored: Stored, action: Action, expected: list[tuple[ActedResult, str | None, str | None]]
) -> None:
    before = stored.states()

    view = await act(stored, action, named(1, 2, 3, 4))

    assert results(view) == expected
    done = [result is DONE for result, _, _ in expected]
    assert (view.done, view.refused) == (sum(done), 4 - sum(done))
    assert stored.states() == {
        number: State(str(status)) if moved else before[number]
        for (number, moved), (_, _, status) in zip(enumerate(done, start=1), expected, strict=True)
    }


async def test_who_decided_and_why_is_told_by_the_message(stored: Stored) -> None:
    await act(stored, Requeue(), named(1))
    await act(stored, Resolve(), named(2))

    assert stored.told(1) | {"possible_duplicate": ""} == {
        "type": "message.requeued",
        "by": BY,
        "possible_duplicate": "",
        "reason": "asked for",
    }
    assert stored.told(2) == {"type": "message.resolved", "by": BY, "reason": "asked for"}
    assert stored.waits(1) == (DispatchKind.DELIVER, in_seconds(0))


async def test_a_discarded_letter_is_settled_once_and_its_message_stays_dead(stored: Stored) -> None:
    first = await act(stored, Discard(), named(1))
    again = await act(stored, Discard(), named(1))

    assert stored.open_letters() == set()
    assert stored.told(1) == {"type": "dead_letter.discarded", "by": BY, "reason": "asked for"}
    assert len(stored.of(1).entries) == 1
    assert (results(first), results(again)) == ([(DONE, None, "dead")], [(REFUSED, "state_conflict", "dead")])
    assert stored.states()[1] is State.DEAD


async def test_repeating_an_order_moves_nothing_twice(stored: Stored) -> None:
    await act(stored, Requeue(), named(1))

    assert results(await act(stored, Requeue(), named(1))) == [(REFUSED, "state_conflict", "queued")]


async def test_what_cannot_be_found_is_told_in_its_place_and_each_id_once(stored: Stored) -> None:
    unknown = typeid(Prefix.MESSAGE, MessageId(UUID(int=99)))

    view = await act(stored, Requeue(), Named(ids=("nonsense", id_of(1), unknown, id_of(1))))

    assert [item.message_id for item in view.data] == ["nonsense", id_of(1), unknown]
    assert results(view) == [(REFUSED, "not_found", None), (DONE, None, "queued"), (REFUSED, "not_found", None)]
    assert not view.has_more


@pytest.mark.parametrize("action", [ACCEPTING, Resolve(), Discard()])
async def test_a_dry_run_says_the_same_and_changes_nothing(stored: Stored, action: Action) -> None:
    before = stored.states()

    dry = await act(stored, action, named(1, 2, 3), dry_run=True)

    assert (stored.states(), stored.open_letters(), stored.of(1).entries) == (before, {1}, ())
    real = await act(stored, action, named(1, 2, 3))
    assert (dry.dry_run, real.dry_run) == (True, False)
    assert (dry.data, dry.action) == (real.data, real.action)


# --- by the filter ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "meant"),
    [
        (ACCEPTING, {State.DEAD, State.UNCONFIRMED}),
        (Resolve(), {State.UNCONFIRMED}),
        (Discard(), {State.DEAD}),
    ],
)
async def test_a_filter_means_what_waits_for_a_person(stored: Stored, action: Action, meant: set[State]) -> None:
    view = await act(stored, action, Matching(limit=10))

    [(wanted, limit)] = stored.asked
    assert (set(wanted.states), limit) == (meant, 11)
    assert (view.done, view.refused, view.has_more) == (len(meant), 0, False)


async def test_failed_messages_are_meant_only_where_that_is_said(stored: Stored) -> None:
    view = await act(stored, ACCEPTING, Matching(limit=10, states=frozenset({State.FAILED})))

    assert [item.message_id for item in view.data] == [id_of(3)]


async def test_a_filter_passes_on_all_its_conditions(stored: Stored) -> None:
    conditions: dict[str, Any] = {
        "reference": "r",
        "template": "t",
        "created_after": NOON,
        "created_before": NOON + in_seconds(1),
        "error_code": "e",
        "updated_after": NOON + in_seconds(2),
        "updated_before": NOON + in_seconds(3),
    }

    await act(stored, Resolve(), Matching(limit=1, **conditions))

    assert stored.asked == [(MessageFilter(states=(State.UNCONFIRMED,), **conditions), 2)]


@pytest.mark.parametrize(("limit", "chosen", "has_more"), [(1, [3], True), (2, [3, 2], True), (3, [3, 2, 1], False)])
async def test_a_filter_takes_the_newest_up_to_its_limit_and_tells_of_more(
    limit: int, chosen: list[int], has_more: bool
) -> None:
    stored = Stored()
    for number in (1, 2, 3):
        stored.put(number, State.DEAD)

    view = await act(stored, Requeue(), Matching(limit=limit))

    assert ([item.message_id for item in view.data], view.has_more) == ([id_of(number) for number in chosen], has_more)


async def test_a_filter_leaves_a_letter_that_somebody_has_settled_and_a_name_does_not(stored: Stored) -> None:
    stored.meanwhile = lambda: stored.settle_letter(1)
    of_dead = Matching(limit=10, states=frozenset({State.DEAD}))

    assert results(await act(stored, Requeue(), of_dead)) == [(REFUSED, "state_conflict", "dead")]
    assert results(await act(stored, Requeue(), of_dead)) == []
    assert results(await act(stored, Requeue(), named(1))) == [(DONE, None, "queued")]
