"""A provider that lost its answers is asked, or told again under the same key; whatever dies meanwhile, once is enough.

Real PostgreSQL; the provider keeps a ledger of what it has taken.
"""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import pytest
from msgspec.structs import replace

from messaging.adapters.postgres.session.engine import Engines
from messaging.application.messages.pacing.send_slots import AskAgainAt
from messaging.application.ports.providers.lookup import Sought
from messaging.application.ports.providers.outcomes import ProviderUnavailable
from messaging.application.ports.providers.sending import Connection, NotStarted, Outgoing
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages import unclear_sends
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.retry import SendResult, Sent, Uncertain
from messaging.domain.messages.state import State
from tests.builders import a_receipt
from tests.fakes.gateway import MayStart
from tests.integration.delivery.delivering import Delivery, make_due, submitted
from tests.integration.postgres.test_lifecycles import record

pytestmark = pytest.mark.usefixtures("delivery")

FINDS: Final = Capabilities(can_find=True, can_look_up=True, confirms_delivery=True)
KEY: Final = Capabilities(takes_idempotency_key=True, confirms_delivery=True)
NOTHING: Final = Capabilities()


class Ledger:
    """What a provider has taken, by its own ids. It drops what comes with a known key, if it `knows_keys`.

    `answers` of its sends are lost while it is set. A death sets `dying`: the process that sends or asks is gone then.
    """

    def __init__(self, *, knows_keys: bool) -> None:
        self.knows_keys = knows_keys
        self.taken: list[str] = []
        self.asked = 0
        self.answers_lost = True
        self.away = False
        self.dying = asyncio.Event()
        self.dies = False

    async def send(self, outgoing: Outgoing, may_start: MayStart) -> SendResult | NotStarted:
        if not await may_start():
            return NotStarted()
        if not self.knows_keys or outgoing.idempotency_key not in self.taken:
            self.taken.append(outgoing.idempotency_key)
        await self._maybe_die()
        if self.answers_lost:
            return Uncertain(reason="The connection broke.")
        return Sent(provider_message_id=f"x.{outgoing.idempotency_key}")

    async def find(self, connection: Connection, sought: Sought) -> list[Receipt]:
        self.asked += 1
        await self._maybe_die()
        if self.away:
            raise ProviderUnavailable("provider_unavailable", "Away.")
        if sought.reference not in self.taken:
            return []
        return [
            a_receipt(kind, provider_message_id=f"x.{sought.reference}")
            for kind in (ReceiptKind.SENT, ReceiptKind.OTHER)
        ]

    async def _maybe_die(self) -> None:
        if self.dies:
            self.dying.set()
            await asyncio.Event().wait()


class Scene:
    """One process that delivers to a provider which can prove so much."""

    def __init__(self, engines: Engines, can: Capabilities) -> None:
        self.delivery = Delivery(engines, can=can)
        self.ledger = Ledger(knows_keys=can.takes_idempotency_key)
        self.delivery.gateway.answer = self.ledger.send
        setattr(self.delivery.gateway, "find", self.ledger.find)  # noqa: B010 - the scripted one remembers by itself
        self.resolve = self.delivery.resolving()

    async def unclear(self) -> MessageKey:
        key = await submitted(self.delivery)
        await self.delivery.run()
        return key

    async def look(self) -> State:
        """The look that comes next, as if its time had come."""
        await make_due(self.delivery)
        await self.resolve()
        return await self.state()

    async def look_to_the_end(self) -> State:
        while (state := await self.look()) is State.UNKNOWN:
            continue
        return state

    async def die_at_the_next_look(self) -> None:
        """The process is gone as soon as the provider has the question; none of its transactions goes on."""
        self.ledger.dies = True
        self.ledger.dying.clear()
        await make_due(self.delivery)
        process = asyncio.create_task(self.resolve())
        await self.ledger.dying.wait()
        process.cancel()
        await asyncio.wait([process])
        self.ledger.dies = False

    async def state(self) -> State:
        async with self.delivery.open() as uow:
            (message,) = (await uow.lifecycles.lock([self.key])).values()
        return message.state

    key: MessageKey


async def unclear(engines: Engines, can: Capabilities) -> Scene:
    scene = Scene(engines, can)
    scene.key = await scene.unclear()
    assert await scene.state() is State.UNKNOWN
    return scene


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


async def test_a_provider_that_is_away_is_asked_again(engines: Engines) -> None:
    scene = await unclear(engines, FINDS)
    scene.ledger.away = True
    assert await scene.look() is State.UNKNOWN
    scene.ledger.away = False

    assert await scene.look() is State.SENT


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


@pytest.mark.parametrize("deaths", [1, 2])
async def test_a_process_that_dies_while_asking_delays_the_look_by_a_lease(engines: Engines, deaths: int) -> None:
    scene = await unclear(engines, FINDS)

    for _ in range(deaths):
        await scene.die_at_the_next_look()
        assert await scene.state() is State.UNKNOWN
        # The look is leased: nobody else asks at once.
        assert await scene.resolve() == 0

    assert await scene.look() is State.SENT
    assert scene.ledger.asked == deaths + 1


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
