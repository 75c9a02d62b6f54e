"""What becomes of stored webhooks, and what of one that cannot be processed?"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from messaging.application.conversations.receive import ReceiveInbound
from messaging.application.messages.tracking.reconcile import Arrived
from messaging.application.ports.lifecycles import StaleChange
from messaging.application.ports.providers.webhooks import (
    MalformedWebhook,
    TemplateChanged,
    TemplateQualityChanged,
    TemplateStatusChanged,
    WebhookEvent,
    WebhookRequest,
)
from messaging.application.ports.unit_of_work import StoreUnavailable, SystemUnitOfWork
from messaging.application.webhooks import event_content
from messaging.application.webhooks import process as process_module
from messaging.application.webhooks.keep_events import KeepEvents
from messaging.application.webhooks.process import ProcessWebhooks
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.shared.ids import EventId, InboundId, Prefix, typeid
from messaging.domain.templates.template import TemplateStatus
from tests.builders import ACCOUNT, NOON, OTHER_TENANT, TENANT, a_receipt, an_inbound_message
from tests.unit.application.webhooks.doubles import (
    CIPHER,
    KEY_RING,
    Counts,
    FixedClock,
    JsonReader,
    KnownTenants,
    LearntAliases,
    Store,
)

SENT, READ = a_receipt(ReceiptKind.SENT), a_receipt(ReceiptKind.READ)
POISON = a_receipt(provider_message_id="wamid.poison")
NAMED: dict[str, Any] = {"external_id": "140768", "name": "order_update", "language": "en_US"}
EVENTS: dict[str, WebhookEvent] = {
    "sent": SENT,
    "read": READ,
    "poison": POISON,
    "hello": an_inbound_message(),
    "hello stranger": an_inbound_message(sender_external_id="999"),
    "approved": TemplateStatusChanged(status=TemplateStatus.APPROVED, at=NOON - timedelta(minutes=1), **NAMED),
    "approved tomorrow": TemplateStatusChanged(status=TemplateStatus.APPROVED, at=NOON + timedelta(days=1), **NAMED),
    "edited": TemplateChanged(rewritten=True, at=NOON, **NAMED),
    "flagged": TemplateChanged(at=NOON, **NAMED),
    "locked": TemplateStatusChanged(status=TemplateStatus.OTHER, at=NOON, **NAMED),
    "quality": TemplateQualityChanged(quality="GREEN", **NAMED),
}


class Reconcile:
    """Remembers receipts; raises `error` for the poisonous one, as often as `times` says."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self.error: Exception = StaleChange()
        self.times = 1_000

    async def __call__(self, uow: SystemUnitOfWork, arrived: Sequence[Arrived]) -> None:
        if any(item.receipt is POISON for item in arrived) and self.times:
            self.times -= 1
            raise self.error
        assert all((item.tenant_id, item.account_id) == (TENANT, ACCOUNT) for item in arrived)
        self.receipts += [item.receipt for item in arrived]


class Reader(JsonReader):
    """Has much to say about what it cannot read."""

    def read(self, request: WebhookRequest, *, received_at: datetime) -> Sequence[WebhookEvent]:
        if b"long problem" in request.body:
            raise MalformedWebhook("x" * 1_000)
        return super().read(request, received_at=received_at)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def reconcile() -> Reconcile:
    return Reconcile()


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def process(store: Store, reconcile: Reconcile, counts: Counts) -> ProcessWebhooks:
    tenants = KnownTenants()
    return ProcessWebhooks(
        open_uow=store.open_uow,
        snapshots=tenants,
        key_ring=KEY_RING,
        readers={"whatsapp_cloud": Reader(EVENTS)},
        reconcile=reconcile,
        receive=ReceiveInbound(
            snapshots=tenants,
            key_ring=KEY_RING,
            learn_aliases=LearntAliases(),
            new_id=lambda: InboundId(TENANT),
            clock=FixedClock(),
            telemetry=counts,
        ),
        keep=KeepEvents(snapshots=tenants, key_ring=KEY_RING, new_id=lambda: EventId(uuid4()), telemetry=counts),
        telemetry=counts,
    )


async def test_every_event_of_every_webhook_goes_where_it_belongs(
    process: ProcessWebhooks, store: Store, reconcile: Reconcile
) -> None:
    stored = [store.add("sent", "hello"), store.add("read", "approved", "flows")]

    assert await process() == 2

    assert reconcile.receipts == [SENT, READ]
    assert [row.kind for row in store.inbound] == ["text"]
    assert [news.status for news in store.news] == [TemplateStatus.APPROVED]
    assert store.processed == [webhook.id for webhook in stored]
    assert store.due == []
    assert await process() == 0


async def test_news_keep_the_providers_time_and_are_never_from_the_future(
    process: ProcessWebhooks, store: Store
) -> None:
    store.add("approved", "approved tomorrow", "quality")

    await process()

    assert [(news.at, news.heard_at, news.doubtful) for news in store.news] == [
        (NOON - timedelta(minutes=1), NOON, False),
        (NOON, NOON, False),
        # It told no time, so it is believed for now and asked about.
        (NOON, NOON, True),
    ]


async def test_a_template_that_is_not_known_here_is_read(process: ProcessWebhooks, store: Store) -> None:
    store.add("approved")

    await process()

    assert store.unclear == {(TENANT, ACCOUNT)}


@pytest.mark.parametrize(
    ("name", "rewritten", "doubtful"), [("edited", True, True), ("flagged", False, True), ("locked", False, True)]
)
async def test_news_that_does_not_tell_all_is_doubtful(
    process: ProcessWebhooks, store: Store, name: str, rewritten: bool, doubtful: bool
) -> None:
    store.add(name)

    await process()

    (news,) = store.news
    assert (news.rewritten, news.doubtful) == (rewritten, doubtful)


async def test_a_message_to_an_unknown_number_is_kept_and_costs_its_neighbours_nothing(
    process: ProcessWebhooks, store: Store, reconcile: Reconcile, counts: Counts
) -> None:
    stored = store.add("sent", "hello stranger", "hello")

    await process()

    assert reconcile.receipts == [SENT]
    assert len(store.inbound) == 1
    assert store.processed == [stored.id]
    assert store.set_aside == {}
    [event] = store.events
    assert (event.kind, event.sender_external_id, event.webhook_id) == ("sender_unknown", "999", stored.id)
    assert event_content.unseal(CIPHER, event.id, event.sealed) == an_inbound_message().payload
    assert counts.seen["provider_events{kind=sender_unknown}"] == 1


async def test_what_has_no_meaning_here_is_announced_with_the_address_of_what_it_says(
    process: ProcessWebhooks, store: Store
) -> None:
    store.add("flows")

    await process()

    (event,), (announced,) = store.events, store.announced
    assert (announced.type, announced.subject_id) == ("account.provider_event", ACCOUNT)
    assert announced.data["kind"] == "flows"
    assert announced.data["provider_event_id"] == typeid(Prefix.EVENT, event.id)


async def test_what_has_no_meaning_here_is_kept_and_counted_by_kind(
    process: ProcessWebhooks, store: Store, counts: Counts
) -> None:
    stored = store.add("flows", "sent", "a_kind_of_next_year")

    await process()

    assert [(event.kind, event.webhook_id, event.received_at) for event in store.events] == [
        ("flows", stored.id, NOON),
        ("a_kind_of_next_year", stored.id, NOON),
    ]
    assert counts.seen["provider_events{kind=flows}"] == 1
    assert counts.seen["provider_events{kind=other}"] == 1
    assert "provider_events{kind=a_kind_of_next_year}" not in counts.seen


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"body": b"{}"}, "malformed: not a list"),
        ({"body": b'["\xff"]'}, "unreadable: UnicodeDecodeError"),
        ({"sealed": b"garbage"}, "cannot_decrypt"),
        ({"provider": "gone"}, "provider_unknown"),
        ({"tenant_id": OTHER_TENANT}, "tenant_unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_read_is_set_aside_and_its_neighbours_are_processed(
    process: ProcessWebhooks, store: Store, changes: dict[str, Any], problem: str
) -> None:
    before = store.add("sent")
    bad = store.add(**changes)
    after = store.add("read")

    assert await process() == 3

    assert store.set_aside == {bad.id: problem}
    assert store.processed == [before.id, after.id]


async def test_a_webhook_that_breaks_its_batch_is_found_and_set_aside_alone(
    process: ProcessWebhooks, store: Store, reconcile: Reconcile, counts: Counts
) -> None:
    before, bad, after = store.add("sent"), store.add("poison", "hello"), store.add("read")

    assert await process() == 3

    assert store.set_aside == {bad.id: "failed: StaleChange"}
    assert store.processed == [before.id, after.id]
    assert reconcile.receipts == [SENT, READ]
    assert store.inbound == []
    assert counts.seen["webhooks_processed{outcome=set_aside}"] == 1


async def test_a_failure_that_passes_sets_nothing_aside(
    process: ProcessWebhooks, store: Store, reconcile: Reconcile
) -> None:
    stored = [store.add("sent"), store.add("poison")]
    reconcile.times = 3

    assert await process() == 2

    assert store.set_aside == {}
    assert store.processed == [webhook.id for webhook in stored]


async def test_a_database_that_is_away_is_nobodys_fault(
    process: ProcessWebhooks, store: Store, reconcile: Reconcile
) -> None:
    store.add("poison")
    reconcile.error = StoreUnavailable()

    with pytest.raises(StoreUnavailable):
        await process()

    assert store.set_aside == {}
    assert len(store.due) == 1


async def test_a_huge_webhook_gets_a_transaction_of_its_own(process: ProcessWebhooks, store: Store) -> None:
    store.add("sent")
    store.add(*["read"] * 3_000)
    store.add("sent")

    assert [await process() for _ in range(4)] == [1, 1, 1, 0]


async def test_a_transaction_takes_a_thousand_events_and_no_more(process: ProcessWebhooks, store: Store) -> None:
    for events in (400, 600, 1, 999, 1):
        store.add(*["read"] * events)

    assert [await process() for _ in range(4)] == [2, 2, 1, 0]


async def test_a_problem_is_told_in_a_few_words(process: ProcessWebhooks, store: Store) -> None:
    bad = store.add("long problem")

    await process()

    assert len(store.set_aside[bad.id]) == 500


async def test_what_is_processed_stays_due_until_it_is_on_disk(process: ProcessWebhooks, store: Store) -> None:
    store.add("sent")

    await process()

    assert store.durable == [False]


async def test_a_webhook_that_fails_alone_is_tried_three_times(
    process: ProcessWebhooks, store: Store, reconcile: Reconcile
) -> None:
    bad = store.add("poison")
    reconcile.times = 4

    await process()

    # Once in its batch, and three times alone.
    assert (reconcile.times, list(store.set_aside)) == (0, [bad.id])


async def test_what_was_set_aside_leaves_a_line_and_what_was_processed_none(
    process: ProcessWebhooks, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.add("sent")
    bad = store.add(body=b"{}")

    await process()

    told = [vars(record)["webhook_id"] for record in caplog.records if record.getMessage() == "webhook.set_aside"]
    assert told == [typeid(Prefix.WEBHOOK, bad.id)]


async def test_after_a_failed_batch_no_more_than_a_batch_is_processed_one_by_one(
    process: ProcessWebhooks, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_module, "_BATCH", 3)
    for name in ("sent", "poison", "sent", "sent", "sent"):
        store.add(name)

    assert await process() == 3
    assert len(store.due) == 2
