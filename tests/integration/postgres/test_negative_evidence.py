"""What does Postgres know of a sender since an unclear send: who was heard of, and what might still hold the echo?"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.application.messages.resolving.resolve_unknown import UnclearTerms
from messaging.application.ports.parked_receipts import ParkedReceipt
from messaging.domain.messages.change import Change
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.message_state import MessageKey, MessageState, Outcome
from messaging.domain.messages.receipts import ReceiptKind
from messaging.domain.messages.retry import Sent, Uncertain
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.messages.transitions.negative_evidence import Evidence, NegativeEvidenceRule
from messaging.domain.messages.transitions.outcome import conclude
from messaging.domain.messages.transitions.status_polling import Asked, poll_status
from messaging.domain.shared.unclear import OnUnknown
from tests.builders import ACCOUNT, OTHER_TENANT, SENDER, TENANT, a_receipt
from tests.delivery import resolving
from tests.integration.postgres.test_lifecycles import claim, message, move, record, starting, uncertain
from tests.seeding import OTHER_ACCOUNT, OTHER_SENDER, a_new_message, accept, seed_other_tenant, seed_tenant
from tests.unit.application.webhooks.doubles import Counts

RULE = NegativeEvidenceRule(later_receipts=2, margin=timedelta(0), waits=3)
AT_ONCE = dict.fromkeys(ECHO_GRACE, timedelta(0))


@pytest.fixture(autouse=True)
async def _tenants(engines: Engines) -> None:
    await seed_tenant(engines)
    await seed_other_tenant(engines)


async def an_unclear_one(engines: Engines, **changes: Any) -> MessageKey:
    """Sent, not known with what result, and its grace is over at once."""
    [key] = await accept(engines, [a_new_message(**({"on_unknown": OnUnknown.RESEND} | changes))])
    await claim(engines)
    await move(engines, key, starting)
    await move(
        engines,
        key,
        lambda at: conclude(at, epoch=at.epoch, result=Uncertain(reason="no answer"), grace=AT_ONCE),
    )
    return key


async def heard_of(
    engines: Engines, count: int, *, kind: ReceiptKind | None = ReceiptKind.DELIVERED
) -> list[MessageKey]:
    """Later messages of the same sender, each sent and, with a `kind`, reported on."""
    keys = list(await accept(engines, [a_new_message() for _ in range(count)]))
    await claim(engines, quota=count)
    for key in keys:
        await move(engines, key, starting)
        await move(engines, key, taken)
        if kind is not None:
            await move(engines, key, partial(reported, kind))
    return keys


def taken(at: MessageState) -> Change:
    return conclude(at, epoch=1, result=Sent(provider_message_id=str(at.key.message_id)))


def reported(kind: ReceiptKind, at: MessageState) -> Change:
    heard_at = at.now + timedelta(seconds=1)
    receipt = a_receipt(kind, occurred_at=heard_at, provider_message_id=str(at.key.message_id))
    return lifecycle.receive(at, [(1, receipt)])


async def evidence(engines: Engines, *keys: MessageKey, enough: int = 20) -> Evidence:
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        messages = await uow.lifecycles.lock(keys)
        found = await uow.awaited_messages.later_receipts(list(messages.values()), enough=enough)
    return found[SENDER]


async def execute(engines: Engines, sql: str, *arguments: Any) -> None:
    async with transaction(engines.system) as opened:
        await opened.driver.execute(sql, *arguments)
        await opened.commit()


async def wait_over(engines: Engines) -> None:
    await execute(engines, "UPDATE dispatches SET due_at = now() - interval '1 second' WHERE kind = 'resolve_unknown'")
    resolve_unknown = resolving(
        PostgresSystemUnitOfWorkFactory(engines.system), Counts(), UnclearTerms(grace=AT_ONCE, rule=RULE)
    )
    await resolve_unknown()


async def test_later_messages_of_the_sender_that_were_reported_on_are_its_witnesses(engines: Engines) -> None:
    earlier = await heard_of(engines, 2)
    key = await an_unclear_one(engines)
    await heard_of(engines, 3)
    await heard_of(engines, 1, kind=None)

    found = await evidence(engines, key)

    assert earlier
    started = (await message(engines, key)).attempt
    assert started is not None
    assert started.started_at is not None
    assert found.heard_until is not None
    assert found.heard_until > started.started_at
    assert (found.later_receipts, found.unread, found.unmatched, found.paused) == (3, False, False, False)
    assert (await evidence(engines, key, enough=2)).later_receipts == 2


async def test_of_several_unclear_sends_the_last_one_decides_who_is_a_witness(engines: Engines) -> None:
    first = await an_unclear_one(engines)
    await heard_of(engines, 2)
    last = await an_unclear_one(engines)

    assert (await evidence(engines, first)).later_receipts == 2
    assert (await evidence(engines, first, last)) == Evidence(later_receipts=0, heard_until=None)


async def test_receipts_that_had_to_be_fetched_do_not_witness_that_receipts_arrive(engines: Engines) -> None:
    key = await an_unclear_one(engines)
    [other] = await heard_of(engines, 1, kind=None)
    await move(engines, other, lambda at: poll_status(at, [a_receipt()], asked=Asked.YES))

    assert (await message(engines, other)).state is State.DELIVERED
    assert await evidence(engines, key) == Evidence(later_receipts=0, heard_until=None)


async def test_other_tenants_traffic_is_no_evidence(engines: Engines) -> None:
    key = await an_unclear_one(engines)
    theirs = {"tenant_id": OTHER_TENANT, "sender_id": OTHER_SENDER, "account_id": OTHER_ACCOUNT, "template_id": None}
    [other] = await accept(engines, [a_new_message(**theirs)])
    await move(engines, other, lambda at: lifecycle.take_up(at, worker="w1", lease=timedelta(seconds=30)))
    await move(engines, other, starting)
    await move(engines, other, lambda at: lifecycle.receive(at, [(1, a_receipt())]))

    assert (await evidence(engines, key)).later_receipts == 0


@pytest.mark.parametrize(
    ("status", "seconds", "unread"),
    [("stored", 6, True), ("stored", 0, False), ("set_aside", 0, True), ("processed", 6, False)],
)
async def test_a_webhook_nobody_reads_may_hold_the_echo(
    engines: Engines, status: str, seconds: int, unread: bool
) -> None:
    key = await an_unclear_one(engines)
    await execute(
        engines,
        "INSERT INTO raw_webhooks (tenant_id, id, account_id, received_at, provider, status, problem, digest, sealed)"
        " VALUES ($1, $2, $3, now() - $7 * interval '1 second', 'whatsapp_cloud', $4, $5, $6, '')",
        *(TENANT, uuid7(), ACCOUNT, status, "cannot_decrypt" if status == "set_aside" else None, b"\0" * 32, seconds),
    )

    assert (await evidence(engines, key)).unread is unread


async def test_a_receipt_nobody_could_place_may_be_the_echo(engines: Engines) -> None:
    key = await an_unclear_one(engines)
    async with PostgresSystemUnitOfWorkFactory(engines.system)() as uow:
        now = (await uow.lifecycles.lock([key]))[key].now
        parked = ParkedReceipt(tenant_id=TENANT, account_id=ACCOUNT, receipt=a_receipt(), parked_at=now, tries=0)
        await uow.parked_receipts.park([parked])
        await uow.commit()

    assert (await evidence(engines, key)).unmatched


async def test_on_proof_the_message_is_sent_again_once_and_never_a_second_time(engines: Engines) -> None:
    key = await an_unclear_one(engines)
    await heard_of(engines, 2)

    await wait_over(engines)
    again = await message(engines, key)
    assert await claim(engines) == [key]
    second = await message(engines, key)
    await move(engines, key, starting)
    await move(engines, key, uncertain)
    await heard_of(engines, 2)
    await wait_over(engines)

    assert (again.state, again.possible_duplicate) == (State.QUEUED, True)
    assert again.attempt is not None
    assert again.attempt.outcome is Outcome.PRESUMED_ABSENT
    assert second.epoch == 2
    assert (await message(engines, key)).state is State.UNCONFIRMED


async def test_without_witnesses_it_waits_and_then_a_person_is_asked(engines: Engines) -> None:
    key = await an_unclear_one(engines)
    grace = dict.fromkeys(ECHO_GRACE, timedelta(seconds=30))
    resolve_unknown = resolving(
        PostgresSystemUnitOfWorkFactory(engines.system), counts := Counts(), UnclearTerms(grace=grace, rule=RULE)
    )

    await resolve_unknown()
    waiting = await message(engines, key)
    await execute(engines, "UPDATE dispatches SET due_at = now() WHERE kind = 'resolve_unknown'")
    await execute(engines, "UPDATE attempts SET started_at = started_at - interval '10 minutes'")
    await resolve_unknown()

    assert waiting.state is State.UNKNOWN
    assert (await message(engines, key)).state is State.UNCONFIRMED
    _, events = await record(engines, key)
    assert [event.type for event in events][-2:] == ["message.waiting", "message.unconfirmed"]
    assert events[-1].detail["no_resend"] == "too_few_later_receipts"
    assert counts.seen == {"unknown_resolved{outcome=waiting}": 1, "unknown_resolved{outcome=unconfirmed}": 1}


async def test_the_late_echo_of_the_first_attempt_is_recorded_beside_the_second_and_takes_nothing_back(
    engines: Engines,
) -> None:
    key = await an_unclear_one(engines)
    await heard_of(engines, 2)
    await wait_over(engines)
    await claim(engines)
    await move(engines, key, starting)
    await move(engines, key, lambda at: conclude(at, epoch=2, result=Sent(provider_message_id="wamid.second")))
    await move(engines, key, received(2, ReceiptKind.READ, "wamid.second"))

    await move(engines, key, received(1, ReceiptKind.DELIVERED, "wamid.first"))
    await move(engines, key, received(1, ReceiptKind.FAILED, "wamid.first"))

    row, events = await record(engines, key)
    assert (row.state, row.possible_duplicate) == (State.READ, True)
    assert [(event.type, event.state, event.detail.get("effect")) for event in events][-2:] == [
        ("receipt.delivered", State.READ, "none"),
        ("receipt.failed", State.READ, "none"),
    ]
    async with transaction(engines.system) as opened:
        attempts: Sequence[Any] = await opened.driver.fetch(
            "SELECT epoch, outcome, provider_message_id, possible_duplicate FROM attempts"
            " WHERE message_id = $1 ORDER BY epoch",
            key.message_id,
        )
    assert [tuple(row) for row in attempts] == [
        (1, "accepted", "wamid.first", True),
        (2, "accepted", "wamid.second", True),
    ]


def received(epoch: int, kind: ReceiptKind, provider_message_id: str) -> Callable[[MessageState], Change]:
    receipt = a_receipt(kind, provider_message_id=provider_message_id)
    return lambda at: lifecycle.receive(at, [(epoch, receipt)])
