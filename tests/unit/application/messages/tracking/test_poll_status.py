"""Asking after messages that the provider took and then said nothing more about."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, cast

import pytest
from msgspec.structs import replace

from messaging.application.messages.tracking import poll_status as poll_status_module
from messaging.application.messages.tracking.poll_status import CheckTerms, PollStatus
from messaging.application.ports.providers.lookup import StatusLookup
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.retry import DURABLE
from messaging.domain.messages.state import State
from tests.builders import PHONE_NUMBER_ID, WAMID, a_receipt, a_sender, a_snapshot, an_account, an_attempt
from tests.fakes.installed import CAPABILITIES_OF, CREDENTIALS_OF
from tests.fakes.snapshots import InMemorySnapshots
from tests.unit.application.messages.stored import Stored, in_seconds
from tests.unit.application.webhooks.doubles import CIPHER, CREDENTIALS, DATA_KEYS, KEY_RING, Counts

SILENT = DispatchKind.POLL_STATUS
HOUR = timedelta(hours=1)


def known(**changes: Any) -> TenantSnapshot:
    account = an_account()
    sealed = replace(account, sealed_credentials=seal_credentials(account.id, CREDENTIALS, CIPHER))
    return a_snapshot(**({"accounts": (sealed,), "data_keys": DATA_KEYS} | changes))


class World:
    """Messages 1 to `silent` are due to be asked after. `history` is what the provider remembers of each of them."""

    def __init__(self, silent: int = 1, *, facts: TenantSnapshot | None = None, **terms: Any) -> None:
        self.stored = Stored()
        for number in range(1, silent + 1):
            self.put(number)
        self.counts = Counts()
        self.lookups = {"whatsapp_cloud": cast(StatusLookup, self)}
        self.history_: Sequence[Receipt] | Exception = ()
        self.asked: list[tuple[str, str]] = []
        self.snapshots = InMemorySnapshots(facts or known())
        open_uow: Any = self.stored.open_uow
        self.check = PollStatus(
            open_uow=open_uow,
            snapshots=self.snapshots,
            key_ring=KEY_RING,
            credentials=CREDENTIALS_OF,
            lookups=self.lookups,
            telemetry=self.counts,
            capabilities=CAPABILITIES_OF,
            terms=CheckTerms(**terms) if terms else None,
        )

    def put(self, number: int, state: State = State.SUBMITTED, **changes: Any) -> None:
        attempt = an_attempt(provider_message_id=WAMID)
        self.stored.put(number, state, waits_for=SILENT, **({"attempt": attempt} | changes))

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        assert connection.credentials == CREDENTIALS
        self.asked.append((sender_external_id, provider_message_id))
        # Nothing but the last write may be seen while the provider is asked.
        assert not any(lock.locked() for lock in self.stored.messages.locks.values())
        if isinstance(self.history_, Exception):
            raise self.history_
        return self.history_


async def test_the_provider_is_asked_and_what_it_tells_moves_the_message() -> None:
    world = World()
    world.history_ = [a_receipt(ReceiptKind.SENT), a_receipt(ReceiptKind.DELIVERED)]

    assert await world.check() == 1

    assert world.asked == [(PHONE_NUMBER_ID, WAMID)]
    assert (world.stored.states(), world.stored.waits(1)) == ({1: State.DELIVERED}, None)
    assert world.counts.seen == {"status_polls{news=yes}": 1}


async def test_without_news_it_is_asked_again_after_the_policys_interval() -> None:
    world = World()

    assert await world.check() == 1

    assert (world.stored.states(), world.stored.waits(1)) == ({1: State.SUBMITTED}, (SILENT, DURABLE.check_every))
    told = {"type": "message.checked", "check": 1, "of": DURABLE.checks, "news": "no", "asked": "yes"}
    assert world.stored.told(1) == told
    assert world.counts.seen == {"status_polls{news=no}": 1}


async def test_the_interval_can_be_set() -> None:
    world = World(every=HOUR)

    await world.check()

    assert world.stored.waits(1) == (SILENT, HOUR)


async def test_nothing_is_asked_while_nobody_is_silent() -> None:
    world = World(silent=0)
    world.stored.put(1, State.SUBMITTED, waits_for=SILENT, since=-1)

    assert await world.check() == 0
    assert world.asked == []


async def test_one_that_has_been_heard_of_meanwhile_waits_no_more() -> None:
    world = World()
    world.put(2, State.DELIVERED)

    assert await world.check() == 2
    assert (world.stored.waits(2), world.stored.of(2).entries) == (None, ())


@pytest.mark.parametrize(
    ("facts", "attempt"),
    [
        (known(), None),
        (known(), an_attempt()),
        (known(senders=()), an_attempt(provider_message_id=WAMID)),
        (known(accounts=()), an_attempt(provider_message_id=WAMID)),
        (known(accounts=(an_account(provider="other"),)), an_attempt(provider_message_id=WAMID)),
        (known(accounts=(an_account(),)), an_attempt(provider_message_id=WAMID)),
        (a_snapshot(tenant=replace(a_snapshot().tenant, id=a_sender().id)), an_attempt(provider_message_id=WAMID)),
    ],
    ids=["no attempt", "no id", "no sender", "no account", "other provider", "other key", "no tenant"],
)
async def test_who_cannot_be_asked_about_is_looked_at_all_the_same(facts: TenantSnapshot, attempt: Any) -> None:
    world = World(facts=facts)
    world.put(1, attempt=attempt)

    assert await world.check() == 1
    assert (world.asked, world.stored.told(1)["asked"]) == ([], "no")
    assert world.stored.waits(1) == (SILENT, DURABLE.check_every)


async def test_a_provider_that_keeps_no_history_is_not_asked() -> None:
    world = World()
    world.lookups.clear()

    await world.check()

    assert (world.asked, world.stored.told(1)["asked"]) == ([], "no")


@pytest.mark.parametrize("error", [ProviderRefused("provider_refused", "No."), ProviderUnavailable("x", "Away.")])
async def test_a_question_without_an_answer_is_told_and_asked_again_later(error: Exception) -> None:
    world = World()
    world.history_ = error

    assert await world.check() == 1
    assert world.stored.told(1)["asked"] == "failed"
    assert world.stored.waits(1) == (SILENT, DURABLE.check_every)


async def test_an_account_is_asked_so_often_in_an_hour_and_again_in_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 7_200.0
    monkeypatch.setattr("messaging.application.messages.tracking.call_budget.monotonic", lambda: now)
    world = World(silent=5, per_hour=2)

    await world.check()
    first = len(world.asked)
    now += 3_599
    world.put(6)
    await world.check()
    second = len(world.asked)
    now += 1
    for number in range(7, 12):
        world.put(number)
    await world.check()

    assert (first, second, len(world.asked)) == (2, 2, 4)
    assert [world.stored.told(number)["asked"] for number in range(1, 7)] == ["yes", "yes", "no", "no", "no", "no"]


async def test_no_question_is_begun_after_twenty_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 7_200.0
    monkeypatch.setattr(poll_status_module, "monotonic", lambda: now)
    world = World(silent=20)
    ask = world.history

    async def takes_ten_seconds(*args: Any) -> Sequence[Receipt]:
        nonlocal now
        now += 10
        return await ask(*args)

    monkeypatch.setattr(world, "history", takes_ten_seconds)

    assert await world.check() == 20
    assert len(world.asked) == 2
    assert [world.stored.told(number)["asked"] for number in (1, 2, 3, 20)] == ["yes", "yes", "no", "no"]


async def test_a_message_that_is_asked_after_is_nobody_elses_for_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    waits = []

    async def look(*_: Any) -> Sequence[Receipt]:
        waits.append(world.stored.waits(1))
        return ()

    monkeypatch.setattr(world, "history", look)
    await world.check()

    assert waits == [(SILENT, in_seconds(300))]


async def test_news_that_comes_while_the_provider_is_asked_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()

    async def moves(*_: Any) -> Sequence[Receipt]:
        world.put(1, State.READ)
        return [a_receipt(ReceiptKind.SENT)]

    monkeypatch.setattr(world, "history", moves)

    assert await world.check() == 1
    assert (world.stored.states(), world.stored.of(1).entries, world.counts.seen) == ({1: State.READ}, (), {})
