"""Receipts find their attempts, by our reference or the provider's id, and wait where there is none yet."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from messaging.application.messages.tracking.reconcile import Arrived, ReconcileReceipts
from messaging.application.ports.parked_receipts import ParkedReceipt
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages import reference
from messaging.domain.messages.change import Entry
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TENANT, WAMID, a_receipt, a_snapshot
from tests.fakes.installed import CAPABILITIES_OF, all_can
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.messages.stored import Stored, at, key_of
from tests.unit.application.webhooks.doubles import CIPHER, DATA_KEYS, KEY_RING, Counts, FixedClock

STRANGE = AccountId(UUID(int=5))
SENT, DELIVERED, FAILED = ReceiptKind.SENT, ReceiptKind.DELIVERED, ReceiptKind.FAILED


class World:
    """Message 1 was submitted and is known to the provider as `WAMID`."""

    def __init__(self, capabilities: AccountCapabilities = CAPABILITIES_OF) -> None:
        self.stored = Stored()
        self.stored.put(1, State.SUBMITTED, provider_id=WAMID)
        self.counts = Counts()
        self.reconcile = ReconcileReceipts(
            snapshots=InMemorySnapshots(a_snapshot(data_keys=DATA_KEYS)),
            key_ring=KEY_RING,
            clock=FixedClock(),
            capabilities=capabilities,
            telemetry=self.counts,
        )

    async def arrive(self, *receipts: Receipt, account: AccountId = ACCOUNT, tenant: Any = TENANT) -> None:
        uow: Any
        async with self.stored.open_uow() as uow:
            await self.reconcile(uow, [Arrived(tenant, account, receipt) for receipt in receipts])
            await uow.commit()

    async def look_again(self, *learnt: tuple[AccountId, str]) -> int:
        """With provider ids just learnt, or at those that are due."""
        uow: Any
        async with self.stored.open_uow() as uow:
            if learnt:
                await self.reconcile.match_parked(uow, learnt)
                looked_at = len(learnt)
            else:
                looked_at = await self.reconcile.rematch(uow, 10)
            await uow.commit()
        return looked_at

    @property
    def parked(self) -> dict[str, int]:
        """How often those that wait have been looked at, by the provider's id."""
        waiting = self.stored.parked_receipts.parked.values()
        return {item.receipt.provider_message_id: item.tries for item, _ in waiting}


@pytest.fixture
def world() -> World:
    return World()


def echoing(number: int, kind: ReceiptKind = SENT, *, epoch: int = 1, **changes: Any) -> Receipt:
    """With the reference that was sent with the message."""
    text = reference.write(key_of(number).message_id, epoch, CIPHER.tag)
    return a_receipt(kind, **({"reference": text, "provider_message_id": f"wamid.{number}"} | changes))


async def test_a_receipt_is_matched_by_the_providers_id(world: World) -> None:
    await world.arrive(a_receipt(DELIVERED))

    assert (world.stored.states(), world.parked) == ({1: State.DELIVERED}, {})
    assert world.counts.seen == {"receipts{kind=delivered}": 1}


async def test_a_receipt_is_matched_by_our_reference_before_any_id(world: World) -> None:
    world.stored.put(2, State.SENDING)

    await world.arrive(echoing(2, provider_message_id=WAMID))

    assert world.stored.states() == {1: State.SUBMITTED, 2: State.SENT}


async def test_many_receipts_of_many_messages_are_folded_at_once(world: World) -> None:
    world.stored.put(2, State.SENDING)

    await world.arrive(echoing(2), a_receipt(SENT), echoing(2, ReceiptKind.READ), a_receipt(DELIVERED))

    assert world.stored.states() == {1: State.DELIVERED, 2: State.READ}
    assert world.counts.seen == {
        "receipts{kind=sent}": 2,
        "receipts{kind=read}": 1,
        "receipts{kind=delivered}": 1,
    }


async def test_no_receipts_ask_nobody(world: World) -> None:
    world.reconcile._clock = None  # type: ignore[assignment]

    await world.arrive()


@pytest.mark.parametrize(
    "receipt",
    [
        a_receipt(provider_message_id="wamid.unknown"),
        echoing(9),
        a_receipt(reference="v1.nonsense", provider_message_id="wamid.x"),
        a_receipt(
            reference=reference.write(key_of(1).message_id, 1, lambda text: "forged"), provider_message_id="wamid.y"
        ),
    ],
    ids=["unknown id", "unknown message", "no reference", "forged reference"],
)
async def test_what_matches_nothing_yet_waits(world: World, receipt: Receipt) -> None:
    await world.arrive(receipt)

    assert (world.stored.states(), world.parked) == ({1: State.SUBMITTED}, {receipt.provider_message_id: 0})
    [(item, look_at)] = world.stored.parked_receipts.parked.values()
    assert (item.parked_at, item.account_id, look_at) == (NOON, ACCOUNT, None)


async def test_a_receipt_of_a_tenant_that_is_not_known_waits_as_it_is(world: World) -> None:
    await world.arrive(a_receipt(SENT, provider_message_id="wamid.z"), tenant=OTHER_TENANT)

    [(item, _)] = world.stored.parked_receipts.parked.values()
    assert (item.tenant_id, item.receipt.sealed_recipient) == (OTHER_TENANT, None)


async def test_another_account_cannot_speak_for_a_message(world: World) -> None:
    await world.arrive(echoing(1), account=STRANGE)

    assert (world.stored.states(), world.parked) == ({1: State.SUBMITTED}, {})
    assert world.counts.seen["receipts_refused{}"] == 1


async def test_people_are_kept_sealed_in_the_timeline(world: World) -> None:
    await world.arrive(a_receipt(SENT))

    assert "sealed_recipient" in world.stored.told(1)


# --- looking again ----------------------------------------------------------------------------------------------------


async def test_a_receipt_that_was_quicker_than_the_answer_is_matched_when_the_id_is_learnt(world: World) -> None:
    await world.arrive(a_receipt(DELIVERED, provider_message_id="wamid.2"))
    world.stored.put(2, State.SUBMITTED, provider_id="wamid.2")

    assert await world.look_again((ACCOUNT, "wamid.3")) == 1
    assert world.parked == {"wamid.2": 0}
    await world.look_again((ACCOUNT, "wamid.2"))

    assert (world.stored.states()[2], world.parked) == (State.DELIVERED, {})


async def test_nothing_learnt_asks_nobody(world: World) -> None:
    await world.reconcile.match_parked(None, [])  # type: ignore[arg-type]


LOOKS = [timedelta(seconds=60), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6)]
LOOKS += [timedelta(days=1), timedelta(days=7)]


async def test_what_still_matches_nothing_is_looked_at_more_and_more_seldom_and_then_goes(world: World) -> None:
    """Counted from its arrival."""
    receipt = a_receipt(provider_message_id="wamid.unknown")
    item = ParkedReceipt(tenant_id=TENANT, account_id=ACCOUNT, receipt=receipt, parked_at=at(-1e7), tries=0)
    parked = world.stored.parked_receipts.parked
    parked[TENANT, ACCOUNT, receipt] = (item, at(0) - timedelta(days=900))
    looks = []
    while parked:
        assert await world.look_again() == 1
        looks += [look_at - again.parked_at for again, look_at in parked.values() if look_at is not None]

    assert looks == LOOKS
    assert await world.look_again() == 0


async def test_what_matches_at_last_waits_no_more(world: World) -> None:
    for id in ("wamid.2", "wamid.unknown"):
        receipt = a_receipt(SENT, provider_message_id=id)
        item = ParkedReceipt(tenant_id=TENANT, account_id=ACCOUNT, receipt=receipt, parked_at=NOON, tries=0)
        world.stored.parked_receipts.parked[TENANT, ACCOUNT, receipt] = (item, NOON - timedelta(days=900))
    world.stored.put(2, State.SUBMITTED, provider_id="wamid.2")

    assert await world.look_again() == 2
    assert (world.stored.states()[2], world.parked) == (State.SENT, {"wamid.unknown": 1})


# --- messages that a person sent again --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("possible_duplicate", "kind", "state"),
    [
        (True, FAILED, State.QUEUED),
        (True, SENT, State.QUEUED),
        (True, DELIVERED, State.DELIVERED),
        (False, FAILED, State.FAILED),
    ],
)
async def test_what_a_person_knew_when_sending_again_is_no_news(
    world: World, possible_duplicate: bool, kind: ReceiptKind, state: State
) -> None:
    requeued = Entry(type="message.requeued", state=State.QUEUED, detail={"failed_attempt": 1})
    world.stored.put(
        2,
        State.QUEUED,
        epoch=1,
        possible_duplicate=possible_duplicate,
        provider_id="wamid.2",
        entries=(requeued,),
    )

    await world.arrive(a_receipt(kind, provider_message_id="wamid.2"))

    assert world.stored.states()[2] is state


async def test_what_was_known_is_no_news_beside_what_is(world: World) -> None:
    requeued = Entry(type="message.requeued", state=State.QUEUED, detail={"failed_attempt": 1})
    world.stored.put(2, State.QUEUED, epoch=1, possible_duplicate=True, provider_id="wamid.2", entries=(requeued,))

    await world.arrive(*(a_receipt(kind, provider_message_id="wamid.2") for kind in (FAILED, DELIVERED)))

    assert world.stored.states()[2] is State.DELIVERED
    assert "message.failed" not in [entry.type for entry in world.stored.of(2).entries]
    assert State.FAILED not in [entry.state for entry in world.stored.of(2).entries]


async def test_an_acceptance_is_the_last_word_of_a_provider_that_confirms_no_delivery() -> None:
    world = World(all_can(Capabilities()))
    world.stored.put(2, State.UNKNOWN, waits_for=DispatchKind.RESOLVE_UNKNOWN)

    await world.arrive(echoing(2, ReceiptKind.OTHER))

    assert (world.stored.states()[2], world.stored.waits(2)) == (State.SENT, None)
