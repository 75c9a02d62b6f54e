"""Who is asked about silent messages, how often, and what becomes of the answers in a real database?"""

from collections.abc import Sequence
from datetime import timedelta
from typing import cast

import pytest

from messaging.adapters.crypto.keyring import AesKeyRing
from messaging.adapters.postgres.session.engine import Engines
from messaging.adapters.postgres.session.transactions import transaction
from messaging.adapters.postgres.unit_of_work import PostgresSystemUnitOfWorkFactory
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials, of
from messaging.application.messages.tracking.poll_status import CheckTerms, PollStatus
from messaging.application.ports.providers.lookup import StatusLookup
from messaging.application.ports.providers.outcomes import ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.snapshots import TenantSnapshot
from messaging.application.tenants.accounts.connections import seal_credentials
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.retry import Sent
from messaging.domain.messages.state import State
from messaging.domain.messages.transitions.outcome import conclude
from tests.builders import ACCOUNT, PHONE_NUMBER_ID, SENDER, TENANT, a_receipt, a_sender, a_tenant, an_account
from tests.fakes.installed import CAPABILITIES_OF, CREDENTIALS_OF
from tests.fakes.snapshots import InMemorySnapshots
from tests.integration.postgres.test_lifecycles import claim, message, move, received, record, starting
from tests.seeding import a_new_message, accept, seed_tenant
from tests.unit.application.webhooks.doubles import Counts

KEY_RING = AesKeyRing(bytes(range(32)))


class Remembers:
    """A provider that has a history of every message, or none at all, or is away."""

    def __init__(self, *receipts: Receipt, has_history: bool = True, away: bool = False) -> None:
        self.receipts = receipts
        self.has_history = has_history
        self.away = away
        self.asked: list[tuple[str, str, str]] = []

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        self.asked.append((of(connection.credentials).access_token, sender_external_id, provider_message_id))
        if self.away:
            raise ProviderUnavailable("provider_unavailable", "Away.")
        return self.receipts


@pytest.fixture(autouse=True)
async def _tenant(engines: Engines) -> None:
    await seed_tenant(engines)


async def silent(engines: Engines, count: int = 1) -> list[MessageKey]:
    """Accepted by the provider, and due for a check."""
    keys = list(await accept(engines, [a_new_message() for _ in range(count)]))
    await claim(engines, quota=count)
    for key in keys:
        await move(engines, key, starting)
        await move(engines, key, lambda at: conclude(at, epoch=1, result=Sent(provider_message_id=str(at.key[1]))))
    await fall_due(engines)
    return keys


async def fall_due(engines: Engines) -> None:
    async with transaction(engines.system) as opened:
        await opened.driver.execute("UPDATE dispatches SET due_at = now() WHERE kind = 'poll_status'")
        await opened.commit()


async def waiting(engines: Engines) -> list[timedelta]:
    """How long from now the checks that are arranged still wait, to the minute."""
    async with transaction(engines.system) as opened:
        rows = await opened.driver.fetch("SELECT due_at - now() AS wait FROM dispatches WHERE kind = 'poll_status'")
    return [timedelta(minutes=round(row["wait"] / timedelta(minutes=1))) for row in rows]


def a_check(engines: Engines, provider: Remembers, *, per_hour: int = 100, counts: Counts | None = None) -> PollStatus:
    key = KEY_RING.new_data_key(TENANT)
    sealed = seal_credentials(
        ACCOUNT, Credentials(access_token="token", app_secrets=()), KEY_RING.cipher(TENANT, (key,))
    )
    snapshot = TenantSnapshot(
        version=1,
        tenant=a_tenant(),
        accounts={ACCOUNT: an_account(sealed_credentials=sealed)},
        senders={SENDER: a_sender()},
        by_account={},
        rules=(),
        data_keys=(key,),
    )
    return PollStatus(
        open_uow=PostgresSystemUnitOfWorkFactory(engines.system),
        snapshots=InMemorySnapshots(snapshot),
        key_ring=KEY_RING,
        credentials=CREDENTIALS_OF,
        lookups={"whatsapp_cloud": cast(StatusLookup, provider)} if provider.has_history else {},
        telemetry=counts or Counts(),
        capabilities=CAPABILITIES_OF,
        terms=CheckTerms(every=timedelta(hours=6), per_hour=per_hour),
    )


async def details(
    engines: Engines, key: MessageKey, type_: str = "message.checked"
) -> list[dict[str, str | int | None]]:
    _, events = await record(engines, key)
    return [event.detail for event in events if event.type == type_]


async def test_news_the_provider_remembers_move_the_message_and_end_the_checks(engines: Engines) -> None:
    [key] = await silent(engines)
    provider, counts = Remembers(a_receipt(ReceiptKind.SENT), a_receipt(ReceiptKind.DELIVERED)), Counts()

    assert await a_check(engines, provider, counts=counts)() == 1

    assert provider.asked == [("token", PHONE_NUMBER_ID, str(key.message_id))]
    assert (await message(engines, key)).state is State.DELIVERED
    assert await details(engines, key) == [{"check": 1, "of": 28, "news": "yes", "asked": "yes"}]
    assert counts.seen == {"status_polls{news=yes}": 1}
    assert await waiting(engines) == []


async def test_without_news_the_next_check_is_six_hours_away(engines: Engines) -> None:
    [key] = await silent(engines)
    check = a_check(engines, Remembers())

    assert (await check(), await check()) == (1, 0)
    await fall_due(engines)
    assert await check() == 1

    assert await waiting(engines) == [timedelta(hours=6)]
    assert [detail["check"] for detail in await details(engines, key)] == [1, 2]
    assert (await message(engines, key)).state is State.SUBMITTED


async def test_who_has_no_history_is_not_asked_and_the_timeline_says_so(engines: Engines) -> None:
    [key] = await silent(engines)
    provider = Remembers(a_receipt(), has_history=False)

    await a_check(engines, provider)()

    assert provider.asked == []
    assert await details(engines, key) == [{"check": 1, "of": 28, "news": "no", "asked": "no"}]


async def test_an_account_is_asked_no_more_often_than_its_budget(engines: Engines) -> None:
    keys = await silent(engines, 5)
    provider = Remembers()

    assert await a_check(engines, provider, per_hour=2)() == 5

    assert len(provider.asked) == 2
    asked = sorted([str(detail["asked"]) for key in keys for detail in await details(engines, key)])
    assert asked == ["no", "no", "no", "yes", "yes"]


async def test_a_provider_that_is_away_costs_one_check(engines: Engines) -> None:
    [key] = await silent(engines)

    await a_check(engines, Remembers(away=True))()

    assert await details(engines, key) == [{"check": 1, "of": 28, "news": "no", "asked": "failed"}]
    assert await waiting(engines) == [timedelta(hours=6)]


async def test_a_worker_lost_while_asking_costs_a_lease(engines: Engines) -> None:
    [key] = await silent(engines)

    class Dies(Exception):
        pass

    class Fatal(Remembers):
        async def history(
            self, connection: Connection, sender_external_id: str, provider_message_id: str
        ) -> Sequence[Receipt]:
            raise Dies

    with pytest.raises(ExceptionGroup):
        await a_check(engines, Fatal())()

    assert await waiting(engines) == [timedelta(minutes=5)]
    assert await details(engines, key) == []


async def test_a_receipt_that_comes_while_the_provider_is_asked_is_not_asked_after(engines: Engines) -> None:
    [key] = await silent(engines)

    class Slow(Remembers):
        async def history(
            self, connection: Connection, sender_external_id: str, provider_message_id: str
        ) -> Sequence[Receipt]:
            await move(engines, key, received(ReceiptKind.READ))
            return [a_receipt(ReceiptKind.SENT)]

    await a_check(engines, Slow())()

    assert (await message(engines, key)).state is State.READ
    assert await details(engines, key) == []
    assert await waiting(engines) == []
