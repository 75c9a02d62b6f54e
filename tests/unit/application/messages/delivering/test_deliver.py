"""What delivery does around the provider's call: before the first byte, and with whatever comes back."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from math import inf

import pytest
from msgspec.structs import replace

from messaging.application.messages.pacing.send_gate import Permit
from messaging.application.ports.contact_aliases import AliasSource
from messaging.application.ports.due_messages import Due
from messaging.application.ports.providers.sending import NotStarted, Outgoing
from messaging.application.ports.rate_limits import Bucket, Verdict
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages.change import Schedule
from messaging.domain.messages.message import Priority
from messaging.domain.messages.message_state import DispatchKind, MessageKey, Phase
from messaging.domain.messages.pacing.sender_health import Subject
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import (
    Rejected,
    Scope,
    SendResult,
    Sent,
    Throttled,
    Unavailable,
    Uncertain,
    Unreachable,
)
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.mode import Mode
from messaging.domain.tenants.tenant import AccountStatus
from tests.builders import ACCOUNT, ANA, NOON, PHONE_NUMBER_ID, SENDER, TENANT, a_receipt, a_sender, a_text
from tests.fakes.gateway import MayStart
from tests.unit.application.messages.delivering.delivering import LANE, Delivery
from tests.unit.application.webhooks.doubles import CREDENTIALS

THROTTLED = Throttled(code="130429", reason="Too fast.", scope=Scope.SENDER, retry_after=timedelta(seconds=7))
FAILURES: list[tuple[SendResult, State]] = [
    (Rejected(code="131026", reason="Undeliverable."), State.FAILED),
    (Unavailable(code="133004", reason="Overloaded."), State.QUEUED),
    (THROTTLED, State.QUEUED),
    (Unreachable(reason="No connection."), State.QUEUED),
    (Uncertain(reason="No answer."), State.UNKNOWN),
]


def the_last(delivery: Delivery, key: MessageKey) -> dict[str, str | int | None]:
    """What the timeline's last entry tells, with its type."""
    entry = delivery.entries(key)[-1]
    return {"type": entry.type, **entry.detail}


async def test_a_due_message_is_claimed_started_sent_and_recorded() -> None:
    delivery = Delivery()
    key = delivery.submit()

    assert await delivery.run() == 1

    assert [entry.type for entry in delivery.entries(key)] == [
        "message.accepted",
        "attempt.claimed",
        "attempt.started",
        "message.submitted",
    ]
    [sent] = delivery.gateway.sent
    assert (sent.sender_external_id, sent.recipient, sent.connection.credentials) == (PHONE_NUMBER_ID, ANA, CREDENTIALS)
    state = delivery.state(key)
    assert (state.state, state.epoch, state.attempts) == (State.SUBMITTED, 1, 1)
    assert delivery.counts.seen["attempts{outcome=sent,provider=whatsapp_cloud}"] == 1
    assert delivery.counts.seen["attempt_seconds"] == 1
    assert delivery.journal.entries == {}
    assert delivery.records.records == {}
    assert await delivery.run() == 0
    assert len(delivery.gateway.sent) == 1


async def test_a_message_that_counts_as_several_is_charged_for_before_it_leaves() -> None:
    delivery = Delivery()
    charged: list[tuple[MessageKey, int, int]] = []

    async def charge(due: Due, units: int) -> None:
        charged.append((due.message.key, units, len(delivery.gateway.sent)))

    delivery.gate.charge = charge
    single = delivery.submit()
    await delivery.run()
    delivery.gate.units = lambda provider, channel, text: 3
    several = delivery.submit(content=a_text())
    await delivery.run()

    assert charged == [(several, 3, 1)]
    assert delivery.states(single, several) == [State.SUBMITTED, State.SUBMITTED]


async def test_a_process_with_one_place_sends_one_message_at_a_time() -> None:
    delivery = Delivery(concurrency=1)
    keys = [delivery.submit(), delivery.submit()]

    assert [await delivery.run(), await delivery.run(), await delivery.run()] == [1, 1, 0]

    assert delivery.states(*keys) == [State.SUBMITTED, State.SUBMITTED]


async def test_sends_count_against_the_concurrency_before_the_claim_gives_back_what_it_reserved() -> None:
    delivery, ends = Delivery(concurrency=4), asyncio.Event()
    for _ in range(2):
        delivery.submit()

    async def wait(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        await ends.wait()
        return await delivery.gateway.accept(outgoing, may_start)

    delivery.gateway.answer = wait
    assert await delivery.deliver(LANE) == 2

    async with delivery.gate.reserved(Priority.CRITICAL) as free:
        assert free == 2
    ends.set()
    await delivery.deliver.drain()
    assert delivery.deliver.under_way == 0


async def test_the_answers_delay_is_counted_from_the_first_byte() -> None:
    delivery = Delivery()
    key = delivery.submit()

    await delivery.run()

    told = the_last(delivery, key)["latency_ms"]
    assert isinstance(told, int)
    # Any clock's own reading would be far beyond a minute.
    assert 0 <= told < 60_000


async def test_nothing_due_is_nothing_done() -> None:
    delivery = Delivery()
    delivery.submit(state=State.SCHEDULED, send_at=NOON.replace(year=2100))
    delivery.submit(priority=Priority.LOW)

    assert await delivery.run() == 0

    assert delivery.gateway.sent == []
    assert delivery.deliver.under_way == 0


async def test_the_start_is_written_before_the_first_byte_and_the_journal_knows_of_both() -> None:
    delivery = Delivery()
    key = delivery.submit()
    seen = []

    def look() -> None:
        attempt = delivery.state(key).attempt
        seen.append((attempt and attempt.phase, delivery.journal.entries[key, 1].sent, delivery.deliver.under_way))

    async def answer(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        look()
        assert await may_start()
        look()
        return Sent(provider_message_id="wamid.1")

    delivery.gateway.answer = answer
    await delivery.run()

    assert seen == [(Phase.CLAIMED, False, 1), (Phase.STARTED, True, 1)]
    assert delivery.journal.entries == {}


@pytest.mark.parametrize(("result", "left"), FAILURES, ids=lambda it: type(it).__name__)
async def test_a_failure_is_noted_in_the_journal_before_it_is_recorded(result: SendResult, left: State) -> None:
    delivery = Delivery()
    key = delivery.submit()
    delivery.gateway.answer = delivery.gateway.started_then(result)

    await delivery.run()

    assert delivery.state(key).state is left
    assert not isinstance(result, Sent)
    start, outcome = delivery.writes.noted
    assert start is not None
    assert outcome is not None
    assert (start.sent, start.failure) == (False, None)
    assert (outcome.sent, outcome.failure) == (True, result)
    assert the_last(delivery, key)["code"] == result.code
    name = type(result).__name__.lower()
    assert delivery.counts.seen[f"attempts{{outcome={name},provider=whatsapp_cloud}}"] == 1


@pytest.mark.parametrize(
    ("result", "clear"),
    [
        (Sent(provider_message_id="wamid.1"), True),
        (Rejected(code="131026", reason="Undeliverable."), True),
        (Uncertain(reason="No answer."), False),
        (Unreachable(reason="No connection."), None),
    ],
    ids=lambda it: type(it).__name__,
)
async def test_slow_start_hears_whether_the_provider_gave_a_clear_answer(
    result: SendResult, clear: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery, heard = Delivery(), list[bool | None]()
    delivery.submit()
    delivery.gateway.answer = delivery.gateway.started_then(result)
    monkeypatch.setattr(Permit, "answered", lambda permit, clear: heard.append(clear))

    await delivery.run()

    assert heard == [clear]


async def test_an_acceptance_needs_no_note() -> None:
    delivery = Delivery()
    delivery.submit()

    await delivery.run()

    assert [noted and noted.failure for noted in delivery.writes.noted] == [None, None]


async def test_a_claim_is_given_back_while_the_configuration_cannot_be_read() -> None:
    delivery = Delivery()
    key = delivery.submit()
    delivery.snapshots.away = True

    await delivery.run()

    assert the_last(delivery, key) == {"type": "attempt.released", "attempt": 1, "reason": "store_unavailable"}
    assert (delivery.state(key).state, delivery.state(key).claim_failures) == (State.QUEUED, 0)
    delivery.snapshots.away = False
    await delivery.run()
    assert delivery.states(key) == [State.SUBMITTED]


async def test_what_a_person_can_mend_waits_and_what_nobody_can_is_dead() -> None:
    delivery = Delivery()
    account = replace(delivery.snapshots.tenants[TENANT].accounts[ACCOUNT], status=AccountStatus.DISABLED)
    held, unreadable = delivery.submit(), delivery.submit(packed=b"not a payload")
    delivery.snapshots.change(accounts={ACCOUNT: account})

    await delivery.run()

    assert delivery.states(held, unreadable) == [State.QUEUED, State.DEAD]
    assert the_last(delivery, held)["type"] == "attempt.released"
    assert delivery.wait_of(held) > timedelta(0)
    assert the_last(delivery, unreadable)["code"] == "unreadable"
    assert (delivery.gateway.sent, delivery.writes.noted, delivery.journal.entries) == ([], [], {})


async def test_a_draining_process_claims_nothing_and_gives_back_what_has_not_started() -> None:
    delivery = Delivery()
    key, reached, go_on = delivery.submit(), asyncio.Event(), asyncio.Event()
    answers: list[bool] = []

    async def wait(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        reached.set()
        await go_on.wait()
        answers.append(await may_start())
        return NotStarted()

    delivery.gateway.answer = wait
    assert await delivery.deliver(LANE) == 1
    await reached.wait()
    draining = asyncio.create_task(delivery.deliver.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    go_on.set()
    await draining

    assert answers == [False]
    assert the_last(delivery, key) == {"type": "attempt.released", "attempt": 1, "reason": "draining"}
    assert delivery.deliver.under_way == 0
    assert await delivery.deliver(LANE) == 0
    assert delivery.states(key) == [State.QUEUED]


async def test_a_claim_whose_lease_has_ended_does_not_start() -> None:
    delivery = Delivery(lease=timedelta(0))
    key = delivery.submit()

    await delivery.run()

    assert delivery.gateway.sent == []
    assert delivery.writes.noted == []
    assert the_last(delivery, key) == {"type": "attempt.released", "attempt": 1, "reason": "fence_lost"}


async def test_a_message_that_has_moved_since_its_claim_is_looked_at_under_lock_and_started() -> None:
    delivery = Delivery()
    key = delivery.submit()
    delivery.writes.moved = 1

    await delivery.run()

    assert delivery.states(key) == [State.SUBMITTED]
    assert [entry.type for entry in delivery.entries(key)].count("attempt.started") == 1


async def test_an_outcome_of_a_message_that_has_moved_meanwhile_is_decided_on_where_it_is() -> None:
    delivery = Delivery()
    key = delivery.submit()

    async def overtaken(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        assert await may_start()
        async with delivery.store.open_uow() as uow:
            state = (await uow.lifecycles.lock([key]))[key]
            await uow.lifecycles.apply([lifecycle.receive(state, [(1, a_receipt(ReceiptKind.READ))])])
            await uow.commit()
        return Uncertain(reason="No answer.")

    delivery.gateway.answer = overtaken
    await delivery.run()

    # The receipt was surer.
    assert delivery.states(key) == [State.READ]
    assert the_last(delivery, key)["type"] == "attempt.late_result"


async def test_without_a_written_start_nothing_leaves_and_the_message_is_tried_again() -> None:
    delivery = Delivery()
    key = delivery.submit()
    answers: list[bool] = []

    async def while_away(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        delivery.store.away = True
        answers.append(await may_start())
        delivery.store.away = False
        return NotStarted()

    delivery.gateway.answer = while_away
    await delivery.run()

    assert answers == [False]
    assert delivery.states(key) == [State.QUEUED]
    told = the_last(delivery, key)
    assert (told["code"], told["reason"]) == (
        "start_not_written",
        "The start could not be recorded, so nothing was sent.",
    )
    assert delivery.wait_of(key) > timedelta(0)


async def test_a_started_message_that_gets_no_slot_in_time_is_known_not_to_have_left() -> None:
    delivery = Delivery()
    key = delivery.submit()
    asked = 0

    async def take(wanted: Sequence[Sequence[Bucket]]) -> Sequence[Verdict]:
        """A slot that is over, and then nobody to ask for another."""
        nonlocal asked
        asked += 1
        if asked > 1:
            raise StoreUnavailable
        return [Verdict(wait=timedelta(seconds=-10)) for _ in wanted]

    delivery.limits.take = take  # type: ignore[method-assign]
    await delivery.run()

    assert delivery.gateway.sent == []
    assert the_last(delivery, key)["code"] == "no_slot"
    assert [entry.type for entry in delivery.entries(key)].count("attempt.started") == 1
    assert delivery.states(key) == [State.QUEUED]
    assert [noted and noted.sent for noted in delivery.writes.noted] == [False, True]


@pytest.mark.parametrize(
    ("starts", "left", "code"), [(False, State.QUEUED, "Unreachable"), (True, State.UNKNOWN, "Uncertain")]
)
async def test_a_defect_of_ours_is_an_outcome_too(
    starts: bool, left: State, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = Delivery()
    key = delivery.submit()

    async def broken(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        if starts:
            assert await may_start()
        raise KeyError("a bug")

    delivery.gateway.answer = broken
    await delivery.run()

    assert delivery.states(key) == [left]
    assert the_last(delivery, key)["code"] == "internal_error"
    assert delivery.counts.seen[f"attempts{{outcome={code.lower()},provider=whatsapp_cloud}}"] == 1
    assert "message.send_broke" in caplog.messages


async def test_what_the_adapter_cannot_express_is_dead_and_what_the_provider_refuses_has_failed() -> None:
    delivery = Delivery()
    key = delivery.submit()

    async def refuse(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        return Rejected(code="not_expressible", reason="No such content here.")

    delivery.gateway.answer = refuse
    await delivery.run()

    assert delivery.states(key) == [State.DEAD]
    assert the_last(delivery, key)["code"] == "not_expressible"
    assert not any(name.startswith("attempts{") for name in delivery.counts.seen)


@pytest.mark.parametrize(("named", "is_news"), [("14155552671", False), ("14155559999", True), (None, False)])
async def test_another_name_that_the_provider_gives_a_person_is_learnt(named: str | None, is_news: bool) -> None:
    delivery = Delivery()
    delivery.submit()
    delivery.gateway.answer = delivery.gateway.started_then(Sent(provider_message_id="wamid.1", recipient_id=named))

    await delivery.run()

    assert [(it.tenant_id, it.mode, it.channel, it.alias, it.canonical, it.source) for it in delivery.told] == (
        [(TENANT, Mode.LIVE, LANE.channel, ANA.value, "+14155559999", AliasSource.ANSWER)] if is_news else []
    )


async def test_a_throttled_sender_is_known_to_everybody_and_not_claimed_for() -> None:
    delivery = Delivery()
    delivery.submit()
    delivery.gateway.answer = delivery.gateway.started_then(THROTTLED)
    await delivery.run()
    delivery.submit()

    assert await delivery.run() == 0

    assert Subject(Scope.SENDER, SENDER) in delivery.records.records
    assert delivery.gate.throttled() == [(LANE, SENDER)]
    assert 0 < delivery.gate.throttled_for(LANE) < inf


async def test_messages_without_a_token_stay_due_and_their_sender_rests() -> None:
    delivery = Delivery()
    for snapshots in (delivery.snapshots, delivery.always):
        snapshots.change(senders={SENDER: a_sender(per_second=1)})
    keys = [delivery.submit() for _ in range(3)]

    assert [await delivery.run(), await delivery.run()] == [1, 0]

    assert sorted(delivery.states(*keys)) == [State.QUEUED, State.QUEUED, State.SUBMITTED]
    assert delivery.gate.throttled() == [(LANE, SENDER)]
    assert delivery.gate.throttled_for(LANE) > 0
    assert delivery.counts.seen["sends_held_back{limit=sender}"] > 0


async def test_suspects_are_claimed_alone_one_after_the_other() -> None:
    delivery = Delivery(lease=timedelta(seconds=3))
    keys = [delivery.submit(), delivery.submit()]
    for key in keys:
        stored = delivery.store.messages.stored[key]
        delivery.store.messages.stored[key] = replace(stored, state=replace(stored.state, claim_failures=1))
    claimed_meanwhile: list[int] = []

    async def look(outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        claimed_meanwhile.append(delivery.states(*keys).count(State.CLAIMED))
        return await delivery.gateway.accept(outgoing, may_start)

    delivery.gateway.answer = look
    assert await delivery.run() == 0
    async with asyncio.timeout(60):
        while len(delivery.gateway.sent) < 2 or delivery.deliver.under_way:
            await asyncio.sleep(0.001)

    assert claimed_meanwhile == [1, 1]
    assert delivery.states(*keys) == [State.SUBMITTED, State.SUBMITTED]
    assert [delivery.state(key).claim_failures for key in keys] == [0, 0]


async def test_nothing_is_claimed_on_a_server_that_may_have_forgotten_something() -> None:
    delivery = Delivery()
    key = delivery.submit()
    delivery.store.server.switch()

    assert await delivery.run() == 0

    assert delivery.states(key) == [State.QUEUED]


async def test_the_expired_are_ended_instead_of_sent() -> None:
    delivery = Delivery()
    over = delivery.submit(expires_at=NOON.replace(year=2020))

    assert await delivery.run() == 0

    assert delivery.states(over) == [State.EXPIRED]
    assert delivery.gateway.sent == []


async def test_a_stale_dispatch_is_withdrawn() -> None:
    delivery = Delivery()
    key = delivery.submit()
    await delivery.run()
    stored = delivery.store.messages.stored[key]
    stale = Schedule(kind=DispatchKind.DELIVER, due_at=NOON)
    delivery.store.messages.stored[key] = replace(stored, dispatch=stale)

    assert await delivery.run() == 0

    assert delivery.store.messages.stored[key].dispatch is None
    assert len(delivery.gateway.sent) == 1


async def test_a_lost_claim_is_given_up_and_sent_by_whoever_finds_it() -> None:
    delivery = Delivery()
    key = delivery.submit()
    async with delivery.store.open_uow() as uow:
        state = (await uow.lifecycles.lock([key]))[key]
        claim = lifecycle.take_up(state, worker="w0", lease=timedelta(0))
        assert claim is not None
        await uow.lifecycles.apply([claim])
        await uow.commit()

    given_up, sent_alone = await delivery.run(), await delivery.run()
    async with asyncio.timeout(60):
        while not delivery.gateway.sent or delivery.deliver.under_way:
            await asyncio.sleep(0.001)

    assert (given_up, sent_alone) == (0, 0)
    assert delivery.states(key) == [State.SUBMITTED]
    assert delivery.state(key).epoch == 2
