"""A provider that lost its answers is asked, or told again under the same key; whatever dies meanwhile, once is enough.

Real PostgreSQL; the provider keeps a ledger of what it has taken.
"""

import asyncio
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.session.engine import Engines
from messaging.application.crashpoints import EXIT_CODE
from messaging.application.messages.pacing.send_slots import AskAgainAt
from messaging.application.ports.providers.lookup import Sought
from messaging.application.ports.providers.outcomes import ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.domain.messages import unclear_sends
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.state import State
from messaging.entrypoints.lab.dev.servers.logins import Logins
from tests.builders import a_receipt
from tests.integration.delivery.delivering import submitted
from tests.integration.delivery.unclear import CAN, FINDS, KEY, NOTHING, Scene, unclear
from tests.integration.postgres.test_lifecycles import record
from tests.logins import as_login

pytestmark = pytest.mark.usefixtures("delivery")


async def types(scene: Scene) -> list[str]:
    _, events = await record(scene.delivery.engines, scene.key)
    return [event.type for event in events]


async def test_a_message_that_the_provider_finds_goes_on_with_its_id(engines: Engines) -> None:
    scene = await unclear(engines, FINDS)

    assert await scene.look() is State.SENT

    row, events = await record(engines, scene.key)
    assert row.state is State.SENT
    assert [event.type for event in events][-2:] == ["receipt.sent", "receipt.other"]
    # Receipts that had to be fetched are no evidence that webhooks arrive.
    assert events[-2].detail["source"] == "history"
    attempt = (await scene.delivery.message(scene.key)).attempt
    assert attempt is not None
    assert attempt.provider_message_id == f"x.{scene.ledger.taken[0]}"
    assert scene.delivery.telemetry.seen["unknown_resolved{outcome=found}"] == 1
    assert len(scene.ledger.taken) == 1


async def test_one_that_is_not_found_is_asked_for_until_the_end_and_then_left_to_a_person(engines: Engines) -> None:
    scene = await unclear(engines, FINDS)
    scene.ledger.taken.clear()

    assert await scene.look_to_the_end() is State.UNCONFIRMED

    assert (scene.ledger.asked, scene.ledger.taken) == (8, [])
    assert (await types(scene))[-3:] == ["message.asked", "message.asked", "message.unconfirmed"]


@pytest.mark.parametrize("fault", [ProviderUnavailable("provider_unavailable", "Away."), KeyError("a bug of ours")])
async def test_a_provider_that_cannot_be_asked_is_asked_again(engines: Engines, fault: Exception) -> None:
    scene = await unclear(engines, FINDS)
    scene.ledger.fault = fault
    assert await scene.look() is State.UNKNOWN
    scene.ledger.fault = None

    assert await scene.look() is State.SENT


async def test_an_account_is_asked_so_often_in_an_hour(engines: Engines) -> None:
    scene = await unclear(engines, FINDS)
    scene.ledger.taken.clear()
    scene.resolve = scene.delivery.resolving(per_hour=2)

    assert await scene.look_to_the_end() is State.UNCONFIRMED

    _, events = await record(engines, scene.key)
    asked = [event.detail["asked"] for event in events if event.type == "message.asked"]
    assert asked == ["yes"] * 2 + ["no"] * 6


async def test_another_message_of_ours_that_reads_the_same_is_not_taken_for_it(engines: Engines) -> None:
    """The provider finds one message of that text: the one it had confirmed to us."""
    scene = await unclear(engines, FINDS)
    (lost,) = scene.ledger.taken
    scene.ledger.answers_lost = False
    other = await submitted(scene.delivery)
    await scene.delivery.run()
    confirmed = (await scene.delivery.message(other)).attempt
    assert confirmed is not None
    twin = a_receipt(ReceiptKind.SENT, provider_message_id=str(confirmed.provider_message_id))
    scene.ledger.taken.remove(lost)

    async def find(connection: Connection, sought: Sought) -> list[Receipt]:
        return [replace(twin, reference=None)]

    setattr(scene.delivery.gateway, "find", find)  # noqa: B010 - the scripted one remembers by itself

    assert await scene.look_to_the_end() is State.UNCONFIRMED


async def test_a_process_that_dies_while_asking_delays_the_look_by_a_lease(engines: Engines) -> None:
    scene = await unclear(engines, FINDS)

    await scene.die_at_the_next_look()
    assert await scene.state() is State.UNKNOWN
    # The look is leased: nobody else asks at once.
    assert await scene.resolve() == 0

    assert await scene.look() is State.SENT
    assert scene.ledger.asked == 2


@pytest.mark.parametrize(
    ("point", "capability", "end"),
    [
        ("resolve_unknown.after_commit", "finds", State.SENT),
        ("resolve_unknown.before_settling", "finds", State.SENT),
        ("resolve_unknown.after_repeat", "key", State.SUBMITTED),
    ],
)
async def test_a_process_may_be_killed_at_any_point_of_a_look(
    engines: Engines, database: str, logins: Logins, point: str, capability: str, end: State
) -> None:
    scene = await unclear(engines, CAN[capability])
    (taken,) = scene.ledger.taken

    urls = (as_login(database, logins.tenants), as_login(database, logins.system))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.delivery.unclear", *urls),
        *(point, capability, str(scene.key.message_id), taken),
    )
    assert await process.wait() == EXIT_CODE
    assert await scene.state() is State.UNKNOWN
    scene.ledger.answers_lost = False

    assert await scene.look() is end
    assert scene.ledger.taken == [taken]


async def test_a_request_is_repeated_with_its_key_and_its_answer_settles_the_message(engines: Engines) -> None:
    scene = await unclear(engines, KEY)
    assert await scene.look() is State.UNKNOWN
    scene.ledger.answers_lost = False

    assert await scene.look() is State.SUBMITTED

    message = await scene.delivery.message(scene.key)
    assert (len(scene.ledger.taken), message.epoch, message.attempts) == (1, 1, 1)
    assert await types(scene) == [
        *("message.accepted", "attempt.claimed", "attempt.started", "message.unknown"),
        *("attempt.repeated", "attempt.repeat_failed", "attempt.repeated", "message.submitted"),
    ]
    assert scene.delivery.telemetry.seen["unknown_resolved{outcome=repeated}"] == 1


async def test_a_process_that_dies_over_a_repeated_request_leaves_one_message_at_the_provider(engines: Engines) -> None:
    scene = await unclear(engines, KEY)

    await scene.die_at_the_next_look()
    assert await scene.resolve() == 0
    scene.ledger.answers_lost = False

    assert await scene.look() is State.SUBMITTED
    assert len(scene.ledger.taken) == 1


async def test_without_time_in_its_senders_limit_a_request_is_not_repeated_yet(engines: Engines) -> None:
    scene = await unclear(engines, KEY)

    async def no_slot(late: object) -> list[AskAgainAt]:
        return [AskAgainAt(0.0)]

    scene.resolve = scene.delivery.resolving(no_slot)
    assert await scene.look() is State.UNKNOWN
    assert len(scene.ledger.taken) == 1


async def test_a_provider_that_can_prove_nothing_leaves_it_to_a_person_at_once(engines: Engines) -> None:
    scene = await unclear(engines, NOTHING)

    # Its look is due by itself; no dispatch is moved. The worker's own clock may run ahead by milliseconds.
    async with asyncio.timeout(60):
        while await scene.resolve() == 0:
            await asyncio.sleep(0.01)

    assert await scene.state() is State.UNCONFIRMED
    assert (len(scene.ledger.taken), scene.ledger.asked) == (1, 0)


async def test_what_was_accepted_without_confirmation_of_delivery_is_sent_and_waits_for_nothing(
    engines: Engines,
) -> None:
    scene = Scene(engines, NOTHING)
    scene.ledger.answers_lost = False
    scene.key = await scene.unclear()

    assert await scene.state() is State.SENT
    async with engines.system.connect() as connection:
        waiting = await connection.exec_driver_sql("SELECT count(*) FROM dispatches")
        assert waiting.scalar_one() == 0


async def test_a_resend_of_an_unclear_send_without_a_key_would_be_noticed(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The classic bug, planted: an unclear outcome is taken for a failure and the request is sent again."""
    bug: Callable[..., bool] = lambda message, can, at: at < message.now + timedelta(days=1)  # noqa: E731
    monkeypatch.setattr(unclear_sends, "_may_repeat", bug)
    scene = await unclear(engines, NOTHING)

    await scene.look_to_the_end()

    assert len(scene.ledger.taken) > 1
