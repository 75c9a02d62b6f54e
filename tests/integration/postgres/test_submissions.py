"""Does accepting hold under concurrency, half-way failures and lost replies, on the real database?"""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from messaging.adapters.postgres.messages.idempotency import PostgresIdempotency
from messaging.adapters.postgres.messages.submissions import PostgresSubmissions
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.application.gather import Gatherer
from messaging.application.ports.submissions import Fingerprint, KeyInFlight, Replayed, Stored
from messaging.domain.shared.mode import Mode, TenantScope
from tests.builders import OTHER_TENANT, TENANT
from tests.seeding import (
    OTHER_ACCOUNT,
    OTHER_SENDER,
    a_claim,
    a_new_message,
    an_acceptance,
    seed_other_tenant,
    seed_tenant,
)

ANSWER = Replayed(status=202, body=b'{"id":"msg_1"}')
WHOLE = {"messages": 1, "contents": 1, "events": 1, "dispatches": 1, "idempotency_keys": 1}
NOTHING = dict.fromkeys(WHOLE, 0)


@pytest.fixture
async def submissions(engines: Engines) -> PostgresSubmissions:
    await seed_tenant(engines)
    await seed_other_tenant(engines)
    return PostgresSubmissions(engines.app)


async def counts(engines: Engines) -> dict[str, int]:
    async with transaction(engines.system) as opened:
        return {table: await opened.driver.fetchval(f"SELECT count(*) FROM {table}") for table in WHOLE}


async def test_a_hundred_identical_requests_at_once_store_one_message(
    engines: Engines, submissions: PostgresSubmissions
) -> None:
    calls = [submissions.accept_many([an_acceptance(idempotency=a_claim())]) for _ in range(100)]

    outcomes = [outcome for [outcome] in await asyncio.gather(*calls)]

    assert Counter(type(outcome) for outcome in outcomes) == {Stored: 1, Replayed: 99}
    assert {outcome for outcome in outcomes if isinstance(outcome, Replayed)} == {ANSWER}
    assert await counts(engines) == WHOLE


async def test_overlapping_batches_in_any_order_do_not_deadlock(submissions: PostgresSubmissions) -> None:
    keys = [f"key-{number}" for number in range(20)]
    theirs = {"tenant_id": OTHER_TENANT, "account_id": OTHER_ACCOUNT, "sender_id": OTHER_SENDER, "template_id": None}

    async def accept(order: list[str]) -> list[object]:
        batch = [an_acceptance(idempotency=a_claim(key)) for key in order]
        others = [
            an_acceptance(a_new_message(**theirs), tenant_id=OTHER_TENANT, idempotency=a_claim(key))
            for key in reversed(order)
        ]
        return list(await submissions.accept_many([*batch, *others]))

    results = await asyncio.gather(*(accept(keys if turn % 2 else keys[::-1]) for turn in range(6)))

    assert Counter(type(outcome) for outcomes in results for outcome in outcomes) == {Stored: 40, Replayed: 200}


async def test_a_batch_with_one_impossible_member_stores_nothing(
    engines: Engines, submissions: PostgresSubmissions
) -> None:
    stranger = a_new_message(sender_id=OTHER_SENDER, account_id=OTHER_ACCOUNT, template_id=None)

    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await submissions.accept_many([an_acceptance(idempotency=a_claim()), an_acceptance(stranger)])

    assert await counts(engines) == NOTHING


async def test_gathered_with_others_an_impossible_member_fails_alone(
    engines: Engines, submissions: PostgresSubmissions
) -> None:
    accept = Gatherer(submissions.accept_many, writers=1)
    stranger = a_new_message(sender_id=OTHER_SENDER, account_id=OTHER_ACCOUNT, template_id=None)

    first, poisoned, last = await asyncio.gather(
        accept(an_acceptance(idempotency=a_claim("first"))),
        accept(an_acceptance(stranger)),
        accept(an_acceptance(idempotency=a_claim("last"))),
        return_exceptions=True,
    )

    assert isinstance(poisoned, asyncpg.ForeignKeyViolationError)
    assert (first, last) == (Stored(), Stored())
    assert (await counts(engines))["messages"] == 2


async def test_everything_of_a_request_is_stored_together(engines: Engines, submissions: PostgresSubmissions) -> None:
    send_at = datetime(2100, 1, 1, tzinfo=UTC)
    new = a_new_message(reference="order-7", send_at=send_at, trace_id="4bf92f3577b34da6a3ce929d0e0e4736")

    await submissions.accept_many([an_acceptance(new, idempotency=a_claim())])

    async with transaction(engines.system) as opened:
        message = await opened.driver.fetchrow("SELECT * FROM messages")
        content = await opened.driver.fetchrow("SELECT * FROM contents")
        dispatch = await opened.driver.fetchrow("SELECT * FROM dispatches")
        event = await opened.driver.fetchrow("SELECT * FROM events")
    assert message is not None
    assert content is not None
    assert dispatch is not None
    assert event is not None
    assert (message["reference"], message["template_name"], message["seq"]) == ("order-7", "order_update", 1)
    assert (message["recipient_hint"], message["summary"]) == ("+14*****2671", "template order_update (en_US)")
    assert (content["message_id"], content["sealed"]) == (new.message.id, b"sealed")
    assert (dispatch["kind"], dispatch["due_at"], dispatch["priority"]) == ("deliver", send_at, "default")
    assert (event["seq"], event["type"], event["state"]) == (1, "message.accepted", "queued")


async def test_a_key_held_by_an_unfinished_request_is_in_flight(
    engines: Engines, submissions: PostgresSubmissions
) -> None:
    now = datetime.now(UTC)
    held = PostgresIdempotency(engines.system)
    await held.begin(
        TenantScope(TENANT, Mode.LIVE),
        "order-1042",
        a_claim().fingerprint,
        expires_at=now + timedelta(days=7),
        lease_until=now + timedelta(minutes=1),
    )

    outcomes = await submissions.accept_many([an_acceptance(idempotency=a_claim()), an_acceptance()])

    assert outcomes == [KeyInFlight(), Stored()]


async def test_a_key_locked_by_an_open_transaction_is_in_flight_and_its_neighbours_are_stored(
    engines: Engines, submissions: PostgresSubmissions
) -> None:
    async with transaction(engines.app, scope=TenantScope(TENANT, Mode.LIVE)) as opened:
        await opened.driver.execute(
            "INSERT INTO idempotency_keys (scope, key, fingerprint, expires_at, status, body)"
            " VALUES ($1, 'order-1042', 'f', now() + interval '1 day', 202, '')",
            TENANT,
        )

        outcomes = await submissions.accept_many(
            [an_acceptance(), an_acceptance(idempotency=a_claim()), an_acceptance(idempotency=a_claim("another"))]
        )

    assert outcomes == [Stored(), KeyInFlight(), Stored()]


@pytest.mark.parametrize(
    "state_of_the_key",
    [
        "expires_at = now() - interval '1 second'",
        "status = NULL, body = NULL, lease_until = now() - interval '1 second'",
    ],
    ids=["expired", "abandoned"],
)
async def test_a_key_nobody_needs_any_more_is_taken_over(
    engines: Engines, submissions: PostgresSubmissions, state_of_the_key: str
) -> None:
    await submissions.accept_many([an_acceptance(idempotency=a_claim())])
    async with transaction(engines.system) as opened:
        await opened.driver.execute(f"UPDATE idempotency_keys SET {state_of_the_key}")
        await opened.commit()

    again = await submissions.accept_many(
        [an_acceptance(idempotency=a_claim(fingerprint=Fingerprint(b"new", b"new"), body=b"new"))]
    )
    replay = await submissions.accept_many(
        [an_acceptance(idempotency=a_claim(fingerprint=Fingerprint(b"new", b"new")))]
    )

    assert (again, replay) == ([Stored()], [Replayed(status=202, body=b"new")])


async def test_messages_of_this_week_go_to_this_weeks_partition(
    engines: Engines, submissions: PostgresSubmissions, database: str
) -> None:
    await submissions.accept_many([an_acceptance()])

    owner = await asyncpg.connect(database)
    [partition] = [row["name"] for row in await owner.fetch("SELECT tableoid::regclass::text AS name FROM messages")]
    await owner.close()

    week = datetime.now(UTC).isocalendar()
    assert partition == f"messages_{week.year}w{week.week:02}"
