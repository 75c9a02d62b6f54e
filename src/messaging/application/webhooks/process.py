"""Processes stored webhooks into receipts, inbound messages, reports about templates, and provider events to keep.

A batch is one transaction. If it fails, its webhooks are tried one by one, and one that keeps failing alone is set
aside: it stays stored with its problem, and is processed again only when an operator has it replayed. The others do not
wait for it.
"""

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from messaging.application import crashpoints
from messaging.application.conversations.receive import InboundArrived
from messaging.application.messages.tracking.reconcile import Arrived
from messaging.application.ports.providers.webhooks import (
    MalformedWebhook,
    OtherEvent,
    TemplateChanged,
    TemplateEvent,
    TemplateQualityChanged,
    TemplateStatusChanged,
    WebhookEvent,
    WebhookReader,
)
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.application.ports.secrets import CannotDecrypt, KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, StoreUnavailable, SystemUnitOfWork
from messaging.application.templates.news import take_in_news
from messaging.application.webhooks import raw
from messaging.application.webhooks.keep_events import SENDER_UNKNOWN, EventArrived
from messaging.domain.conversations.inbound import InboundMessage
from messaging.domain.messages.receipts import Receipt
from messaging.domain.shared.ids import Prefix, WebhookId, typeid
from messaging.domain.templates.news import TemplateNews, whole_second
from messaging.domain.templates.template import TemplateStatus

log = logging.getLogger(__name__)

_BATCH = 200
# A provider may put thousands of statuses into one webhook; a transaction takes one such webhook, or many small ones.
_EVENTS_AT_ONCE = 1_000
# A webhook processed alone may still fail for another reason (a deadlock, a restart); the third failure is its own.
_TRIES_ALONE = 3


class _Reading(Struct, frozen=True, kw_only=True):
    """The events in a stored webhook, or the reason why it cannot be read."""

    webhook: RawWebhook
    events: tuple[WebhookEvent, ...] = ()
    problem: str | None = None


Reconcile = Callable[[SystemUnitOfWork, Sequence[Arrived]], Awaitable[None]]
Receive = Callable[[SystemUnitOfWork, Sequence[InboundArrived]], Awaitable[Sequence[InboundArrived]]]
Keep = Callable[[SystemUnitOfWork, Sequence[EventArrived]], Awaitable[None]]


class _Sorted(NamedTuple):
    """The events of a batch of webhooks, by what is done with them."""

    receipts: list[Arrived]
    inbound: list[InboundArrived]
    news: list[TemplateNews]
    others: list[EventArrived]


class ProcessWebhooks:
    """Processes webhooks. `reconcile`, `receive` and `keep` write in the webhook's own transaction: all of it is
    processed, or nothing.
    """

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        snapshots: Snapshots,
        key_ring: KeyRing,
        readers: Mapping[str, WebhookReader],
        reconcile: Reconcile,
        receive: Receive,
        keep: Keep,
        telemetry: Telemetry,
    ) -> None:
        self._open_uow = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._readers = readers
        self._reconcile = reconcile
        self._receive = receive
        self._keep = keep
        self._telemetry = telemetry

    async def __call__(self) -> int:
        """The number of webhooks handled; 0 when none is due. Raises StoreUnavailable."""
        try:
            return await self._process(_BATCH)
        except StoreUnavailable:
            raise
        except Exception:
            log.exception("webhooks.batch_failed")
        return await self._one_by_one()

    async def _process(self, limit: int, *, taken: list[WebhookId] | None = None) -> int:
        """Process webhooks in one transaction. `taken` gets the ids of the locked webhooks, also when this fails."""
        async with self._open_uow() as uow:
            locked = await uow.raw_webhooks.lock_due(limit)
            if taken is not None:
                taken.extend(webhook.id for webhook in locked)
            if not locked:
                return 0
            readings = await self._read_some(locked)
            set_aside = await self._apply(uow, readings)
            crashpoints.reach("webhook_apply.before_commit")
            # Until the commit is on disk the webhooks stay due: after a crash of the database they are processed once
            # more.
            await uow.commit(durable=False)
        crashpoints.reach("webhook_apply.after_commit")
        self._report(readings, set_aside)
        return len(readings)

    async def _read_some(self, locked: Sequence[RawWebhook]) -> list[_Reading]:
        """Read the oldest webhooks, as many as fit one transaction; the rest stays due."""
        readings: list[_Reading] = []
        events = 0
        for webhook in locked:
            reading = await self._read(webhook)
            events += len(reading.events)
            if readings and events > _EVENTS_AT_ONCE:
                break
            readings.append(reading)
        return readings

    async def _read(self, webhook: RawWebhook) -> _Reading:
        facts = await self._snapshots.tenant(webhook.tenant_id)
        if facts is None:
            return _Reading(webhook=webhook, problem="tenant_unknown")
        reader = self._readers.get(webhook.provider)
        if reader is None:
            return _Reading(webhook=webhook, problem="provider_unknown")
        try:
            kept = raw.unseal(self._key_ring.cipher(webhook.tenant_id, facts.data_keys), webhook.id, webhook.sealed)
            return _Reading(webhook=webhook, events=tuple(reader.read(kept, received_at=webhook.received_at)))
        except CannotDecrypt:
            return _Reading(webhook=webhook, problem="cannot_decrypt")
        except MalformedWebhook as error:
            return _Reading(webhook=webhook, problem=f"malformed: {error}"[:500])
        except Exception as error:
            # The cause of a reader's failure is in these bytes, so another try would fail too.
            log.exception("webhook.unreadable", extra=_ids(webhook))
            return _Reading(webhook=webhook, problem=f"unreadable: {type(error).__name__}")

    async def _apply(self, uow: SystemUnitOfWork, readings: Sequence[_Reading]) -> dict[WebhookId, str]:
        """Write the events; returns the problems of the webhooks that were set aside."""
        meant = _Sorted([], [], [], [])
        for reading in readings:
            for event in reading.events:
                self._sort(reading.webhook, event, meant)
        await self._reconcile(uow, meant.receipts)
        unmatched_senders = await self._receive(uow, meant.inbound)
        await take_in_news(uow, meant.news)
        await self._keep(uow, [*meant.others, *_of_unmatched_senders(readings, unmatched_senders)])
        problems = {reading.webhook.id: reading.problem for reading in readings if reading.problem is not None}
        await uow.raw_webhooks.processed([r.webhook for r in readings if r.webhook.id not in problems])
        for reading in readings:
            if (problem := problems.get(reading.webhook.id)) is not None:
                await uow.raw_webhooks.set_aside(reading.webhook, problem=problem)
        return problems

    def _sort(self, webhook: RawWebhook, event: WebhookEvent, meant: _Sorted) -> None:
        tenant_id, account_id = webhook.tenant_id, webhook.account_id
        match event:
            case Receipt():
                meant.receipts.append(Arrived(tenant_id, account_id, event, webhook))
            case InboundMessage():
                meant.inbound.append(InboundArrived(tenant_id, account_id, webhook.id, event))
            case TemplateStatusChanged() | TemplateQualityChanged() | TemplateChanged():
                meant.news.append(_news(webhook, event))
            case OtherEvent(kind=kind):
                label = kind if kind in self._readers[webhook.provider].kinds else "other"
                meant.others.append(EventArrived(webhook, event, label))

    async def _one_by_one(self) -> int:
        """After a failed batch, process each webhook alone, oldest first, and set aside those that keep failing."""
        failures: Counter[WebhookId] = Counter()
        handled = 0
        while handled < _BATCH:
            taken: list[WebhookId] = []
            try:
                done = await self._process(1, taken=taken)
            except StoreUnavailable:
                raise
            except Exception as error:
                if not taken:
                    raise
                failures[taken[0]] += 1
                log.exception("webhook.failed", extra={"webhook_id": typeid(Prefix.WEBHOOK, taken[0])})
                if failures[taken[0]] < _TRIES_ALONE:
                    continue
                done = await self._set_aside(taken[0], problem=f"failed: {type(error).__name__}")
            if done == 0:
                break
            handled += done
        return handled

    async def _set_aside(self, id: WebhookId, *, problem: str) -> int:
        async with self._open_uow() as uow:
            # Another worker may have taken the webhook since it failed; that worker then decides about it.
            mine = [webhook for webhook in await uow.raw_webhooks.lock_due(_BATCH) if webhook.id == id]
            for webhook in mine:
                await uow.raw_webhooks.set_aside(webhook, problem=problem)
            await uow.commit()
        for webhook in mine:
            self._report([_Reading(webhook=webhook)], {id: problem})
        return 1

    def _report(self, readings: Sequence[_Reading], set_aside: Mapping[WebhookId, str]) -> None:
        counts = Counter("set_aside" if reading.webhook.id in set_aside else "processed" for reading in readings)
        for outcome, count in counts.items():
            self._telemetry.count("webhooks_processed", count, outcome=outcome)
        for reading in readings:
            if (problem := set_aside.get(reading.webhook.id)) is not None:
                log.warning("webhook.set_aside", extra=_ids(reading.webhook) | {"problem": problem})


def _of_unmatched_senders(readings: Sequence[_Reading], unmatched: Sequence[InboundArrived]) -> list[EventArrived]:
    """Events for messages to numbers that are not senders; they become inbound messages once the number is one."""
    webhooks = {reading.webhook.id: reading.webhook for reading in readings}
    return [
        EventArrived(webhooks[item.webhook_id], _sender_unknown(item.message), SENDER_UNKNOWN) for item in unmatched
    ]


def _sender_unknown(message: InboundMessage) -> OtherEvent:
    return OtherEvent(
        kind=SENDER_UNKNOWN,
        payload=message.payload,
        occurred_at=message.occurred_at,
        sender_external_id=message.sender_external_id,
    )


def _news(webhook: RawWebhook, event: TemplateEvent) -> TemplateNews:
    """A report about a template. Its time is never later than that of the webhook, which also stands in for a missing
    time.
    """
    news = TemplateNews(
        tenant_id=webhook.tenant_id,
        account_id=webhook.account_id,
        external_id=event.external_id,
        name=event.name,
        language=event.language,
        at=whole_second(min(event.at or webhook.received_at, webhook.received_at)),
        heard_at=webhook.received_at,
        doubtful=event.at is None,
    )
    match event:
        case TemplateStatusChanged(status=status, reason=reason, info=info):
            doubtful = news.doubtful or status is TemplateStatus.OTHER
            return replace(news, status=status, rejected_reason=reason, status_info=info, doubtful=doubtful)
        case TemplateQualityChanged(quality=quality):
            return replace(news, quality=quality)
        case TemplateChanged(category=category, rewritten=rewritten):
            return replace(news, category=category, rewritten=rewritten, doubtful=True)


def _ids(webhook: RawWebhook) -> dict[str, str]:
    return {
        "tenant_id": typeid(Prefix.TENANT, webhook.tenant_id),
        "webhook_id": typeid(Prefix.WEBHOOK, webhook.id),
        "provider": webhook.provider,
    }
