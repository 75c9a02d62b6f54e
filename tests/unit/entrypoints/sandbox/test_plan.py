"""A plan of statuses is the same after a restart, whatever was tuned meanwhile."""

from messaging.entrypoints.sandbox.core.fates.planning import plan_steps
from messaging.entrypoints.sandbox.core.settings import Settings

SCRIPT = ("sent", "delivered", "read")


def test_a_step_keeps_its_index_when_the_order_is_reversed() -> None:
    ordinary = plan_steps(7, SCRIPT, Settings(), start=1_000.0)
    reversed_ = plan_steps(7, SCRIPT, Settings(reorder_probability=1.0), start=1_000.0)

    assert [it.step for it in reversed_] == ["read", "delivered", "sent"]
    assert {it.index: it.step for it in reversed_} == {it.index: it.step for it in ordinary}
    assert [it.at for it in reversed_] == [it.at for it in ordinary]


def test_an_answer_comes_last_in_any_order() -> None:
    for settings in (Settings(), Settings(reorder_probability=1.0)):
        planned = plan_steps(7, SCRIPT, settings, start=1_000.0, last="answer")

        assert (planned[-1].step, planned[-1].index) == ("answer", 3)
        assert planned[-1].at == max(it.at for it in planned)
