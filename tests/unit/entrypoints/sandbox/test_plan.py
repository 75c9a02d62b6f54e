"""Is a plan of statuses the same after a restart, whatever was tuned meanwhile?"""

import msgspec

from messaging.entrypoints.sandbox.core.settings import Settings
from messaging.entrypoints.sandbox.whatsapp_cloud.recipients import DELIVERED, READ, SENT, Outcome
from messaging.entrypoints.sandbox.whatsapp_cloud.sent import Sent
from messaging.entrypoints.sandbox.whatsapp_cloud.webhooks.statuses import plan

ENTRY = Sent(
    n=7,
    message_id="wamid.7",
    to="+14155550100",
    sender="1",
    reference=None,
    received_at=1_000.0,
    waba_id="2",
    wa_id="14155550100",
    user_id="US.1",
    category="utility",
    in_window=False,
    body=msgspec.Raw(b"{}"),
)
OUTCOME = Outcome(summary="read", script=(SENT, DELIVERED, READ))


def test_a_step_keeps_its_index_when_the_order_is_reversed() -> None:
    ordinary = plan(ENTRY, OUTCOME, Settings())
    reversed_ = plan(ENTRY, OUTCOME, Settings(reorder_probability=1.0))

    assert [it.step for it in reversed_] == [READ, DELIVERED, SENT]
    assert {it.index: it.step for it in reversed_} == {it.index: it.step for it in ordinary}
    assert [it.at for it in reversed_] == [it.at for it in ordinary]
