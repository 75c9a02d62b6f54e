"""How the components of the status page are judged."""

import pytest

from messaging.domain.channels.address import Channel
from messaging.domain.status.components import (
    DELIVERY_OF,
    Component,
    ComponentState,
    Figures,
    LaneFigures,
    judge,
)

OK, SLOW, OUT = ComponentState
ALL = frozenset(Channel)


def lane(priority: str, oldest_due: float, workers: int = 1) -> LaneFigures:
    return LaneFigures(channel=Channel.SMS, priority=priority, oldest_due=oldest_due, workers=workers)


def test_every_channel_has_its_component() -> None:
    assert DELIVERY_OF.keys() == ALL
    assert set(judge(Figures(store_answers=True), ALL)) == set(Component)
    assert Component.EMAIL not in judge(Figures(store_answers=True), {Channel.SMS})


def test_without_the_database_nothing_works() -> None:
    assert set(judge(Figures(store_answers=False), ALL).values()) == {OUT}


@pytest.mark.parametrize(("answer", "state"), [(True, OK), (None, OK), (False, OUT)])
def test_a_process_that_does_not_answer_is_out_and_one_that_is_not_asked_is_not(
    answer: bool | None, state: ComponentState
) -> None:
    states = judge(Figures(store_answers=True, api_answers=answer, webhooks_answer=answer), ALL)

    assert (states[Component.ACCEPT], states[Component.WEBHOOKS], states[Component.SMS]) == (state, state, OK)


@pytest.mark.parametrize(("late", "state"), [(30, OK), (31, SLOW), (901, OUT)])
def test_callbacks_are_late_together(late: float, state: ComponentState) -> None:
    assert judge(Figures(store_answers=True, callbacks_late=late), ALL)[Component.CALLBACKS] is state


@pytest.mark.parametrize(
    ("figures", "state"),
    [
        (lane("critical", 10), OK),
        (lane("critical", 11), SLOW),
        (lane("critical", 301), OUT),
        (lane("default", 599), OK),
        (lane("low", 3_600), OK),
        (lane("low", 1, workers=0), OUT),
        (lane("low", 0, workers=0), OK),
    ],
)
def test_a_channel_is_as_bad_as_its_worst_lane(figures: LaneFigures, state: ComponentState) -> None:
    states = judge(Figures(store_answers=True, lanes=(lane("high", 0), figures)), ALL)

    assert (states[Component.SMS], states[Component.EMAIL]) == (state, OK)
