"""Matches receipts to their attempts, applies them to the messages, and parks receipts that match nothing yet."""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple

from messaging.application.messages.reading import receipt_recipients
from messaging.application.ports.attempts import AttemptRef
from messaging.application.ports.clock import Clock
from messaging.application.ports.parked_receipts import ParkedReceipt
from messaging.application.ports.raw_webhooks import RawWebhook
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import DeliveryUnitOfWork
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.receipts import Receipt, ReceiptKind
from messaging.domain.messages.reference import verify
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import AccountId, Prefix, TenantId, typeid
from messaging.domain.tracing import journey
from messaging.domain.tracing.journey import Traced
from messaging.domain.tracing.spans import Span

log = logging.getLogger(__name__)

# A receipt can arrive milliseconds before this platform's own commit, and after a worker was lost, as early as one
# lease before. Other apps subscribed to the same account cause receipts for messages that are not ours: these are
# dropped after the last look.
_LOOKS = (
    timedelta(seconds=10),
    timedelta(seconds=60),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=6),
    timedelta(days=1),
    timedelta(days=7),
)


class Arrived(NamedTuple):
    """A receipt and the account it came through, which the webhook's path tells and not the payload. `webhook` is None
    for one that did not come by a webhook, or was parked since.
    """

    tenant_id: TenantId
    account_id: AccountId
    receipt: Receipt
    webhook: RawWebhook | None = None


class ReconcileReceipts:
    """Applies receipts inside the caller's transaction, so that a webhook is processed wholly or not at all."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        key_ring: KeyRing,
        clock: Clock,
        telemetry: Telemetry,
        capabilities: AccountCapabilities,
        check_every: timedelta | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._clock = clock
        self._telemetry = telemetry
        self._capabilities = capabilities
        self._check_every = check_every

    async def __call__(self, uow: DeliveryUnitOfWork, arrived: Sequence[Arrived]) -> None:
        """Apply receipts; their order and repetitions make no difference to the result."""
        if not arrived:
            return
        unmatched = await self._settle(uow, await self._sealed(arrived))
        now = self._clock.now()
        await uow.parked_receipts.park([_parked(item, now) for item in unmatched])
        for kind, count in Counter(item.receipt.kind for item in arrived).items():
            self._telemetry.count("receipts", count, kind=kind)

    async def match_parked(self, uow: DeliveryUnitOfWork, learnt: Sequence[tuple[AccountId, str]]) -> None:
        """Apply parked receipts that came before their provider message ids became known just now."""
        if not learnt:
            return
        parked = await uow.parked_receipts.lock(learnt)
        if parked:
            await self._look_again(uow, parked)

    async def rematch(self, uow: DeliveryUnitOfWork, limit: int) -> int:
        """Look again at parked receipts whose time has come; returns the number of them."""
        parked = await uow.parked_receipts.lock_due(limit)
        if parked:
            await self._look_again(uow, parked)
        return len(parked)

    async def _look_again(self, uow: DeliveryUnitOfWork, parked: Sequence[ParkedReceipt]) -> None:
        arrived = {Arrived(item.tenant_id, item.account_id, item.receipt): item for item in parked}
        unmatched = set(await self._settle(uow, list(arrived)))
        await uow.parked_receipts.unpark([item for key, item in arrived.items() if key not in unmatched])
        await uow.parked_receipts.park_again([(arrived[key], _next_look(arrived[key])) for key in unmatched])

    async def _settle(self, uow: DeliveryUnitOfWork, arrived: Sequence[Arrived]) -> list[Arrived]:
        """Apply receipts that match an attempt of their account; returns those that match nothing yet."""
        located = await self._locate(uow, arrived)
        began = monotonic()
        messages = await uow.lifecycles.lock(list({place.key for place in located if place is not None}))
        origins: dict[MessageKey, list[RawWebhook | None]] = defaultdict(list)
        by_message: dict[MessageKey, list[tuple[int | None, Receipt]]] = defaultdict(list)
        unmatched: list[Arrived] = []
        for item, place in zip(arrived, located, strict=True):
            message = None if place is None else messages.get(place.key)
            if place is None or message is None:
                unmatched.append(item)
            elif message.account_id == item.account_id:
                by_message[place.key].append((place.epoch, item.receipt))
                origins[place.key].append(item.webhook)
            else:
                self._refuse(item, place.key)
        failed = await uow.attempts.known_failed(_sent_again(messages, by_message))
        changes = [
            lifecycle.receive(
                messages[key],
                receipts,
                check_every=self._check_every,
                failed_attempt=failed.get(key, 0),
                can=await self._capabilities(messages[key]),
            )
            for key, receipts in by_message.items()
        ]
        await uow.lifecycles.apply(changes)
        for change in changes:
            if self._telemetry.traces((message := messages[change.key]).trace_id):
                self._trace(message, change, origins[change.key], seconds=monotonic() - began)
        return unmatched

    def _trace(
        self, message: MessageState, change: Change, origins: Sequence[RawWebhook | None], *, seconds: float
    ) -> None:
        """Emit the spans of the receipts in a change, and of the webhooks that they link to: the process that stored a
        webhook could not know that it reports on a traced message.
        """
        self._telemetry.emit(_spans(message, change, origins, seconds=seconds))
        for webhook in origins:
            if webhook is not None and not self._telemetry.traces(journey.webhook_ref(webhook.id).trace_id):
                at = webhook.received_at
                self._telemetry.emit((journey.webhook(webhook.id, provider=webhook.provider, began=at, ended=at),))

    def _refuse(self, item: Arrived, key: MessageKey) -> None:
        """Drop a receipt for a message that was sent through another account: one account may not report on another's
        messages.

        Such a receipt will never match and is not parked; the raw webhook keeps it.
        """
        self._telemetry.count("receipts_refused")
        log.warning(
            "receipt.of_another_account",
            extra={
                "tenant_id": typeid(Prefix.TENANT, item.tenant_id),
                "account_id": typeid(Prefix.ACCOUNT, item.account_id),
                "message_id": typeid(Prefix.MESSAGE, key.message_id),
                "kind": item.receipt.kind,
            },
        )

    async def _locate(self, uow: DeliveryUnitOfWork, arrived: Sequence[Arrived]) -> list[AttemptRef | None]:
        """Find each receipt's attempt by the echoed reference or, without one, by the provider's message id."""
        ciphers = await self._ciphers({item.tenant_id for item in arrived})
        located = [_by_reference(item, ciphers.get(item.tenant_id)) for item in arrived]
        wanted = {_provider_id(item) for item, place in zip(arrived, located, strict=True) if place is None}
        if not wanted:
            return located
        attempts = await uow.attempts.find(list(wanted))
        return [place or attempts.get(_provider_id(item)) for item, place in zip(arrived, located, strict=True)]

    async def _sealed(self, arrived: Sequence[Arrived]) -> list[Arrived]:
        """The receipts with the ids of people sealed for the timeline."""
        ciphers = await self._ciphers({item.tenant_id for item in arrived})
        return [
            item if cipher is None else item._replace(receipt=receipt_recipients.sealed(item.receipt, cipher))
            for item in arrived
            for cipher in (ciphers.get(item.tenant_id),)
        ]

    async def _ciphers(self, tenants: Collection[TenantId]) -> dict[TenantId, TenantCipher]:
        known = {id: await self._snapshots.tenant(id) for id in tenants}
        return {id: self._key_ring.cipher(id, facts.data_keys) for id, facts in known.items() if facts is not None}


def _spans(
    message: MessageState, change: Change, origins: Sequence[RawWebhook | None], *, seconds: float
) -> Sequence[Span]:
    """The spans of the receipts in a change, which are its first entries, by the clock of the database."""
    assert message.trace_id is not None
    traced = Traced(
        trace_id=message.trace_id,
        tenant_id=message.key.tenant_id,
        message_id=message.key.message_id,
        lane=f"{message.channel}/{message.priority}",
    )
    return [
        journey.received(
            traced,
            seq=change.expected_seq + number,
            kind=entry.type.removeprefix("receipt."),
            began=message.now,
            ended=message.now + timedelta(seconds=seconds),
            occurred_at=entry.occurred_at,
            webhook_id=None if webhook is None else webhook.id,
            error=None if (code := entry.detail.get("code")) is None else str(code),
        )
        for number, (entry, webhook) in enumerate(zip(change.entries, origins, strict=False), start=1)
    ]


def _sent_again(
    messages: Mapping[MessageKey, MessageState], receipts: Mapping[MessageKey, Sequence[tuple[int | None, Receipt]]]
) -> list[MessageKey]:
    """Messages that a person may have sent again after a failure; there are hardly ever any, so other messages cost no
    query.
    """
    delivered = (ReceiptKind.DELIVERED, ReceiptKind.READ)
    return [
        key
        for key, arrived in receipts.items()
        if messages[key].possible_duplicate and any(receipt.kind not in delivered for _, receipt in arrived)
    ]


def _by_reference(item: Arrived, cipher: TenantCipher | None) -> AttemptRef | None:
    text = item.receipt.reference
    # A reference of another tenant or platform must not be applied to a message of this tenant.
    if text is None or cipher is None or (echoed := verify(text, cipher.tag)) is None:
        return None
    return AttemptRef(key=MessageKey(item.tenant_id, echoed.message_id), epoch=echoed.epoch)


def _provider_id(item: Arrived) -> tuple[AccountId, str]:
    return item.account_id, item.receipt.provider_message_id


def _parked(item: Arrived, now: datetime) -> ParkedReceipt:
    return ParkedReceipt(
        tenant_id=item.tenant_id, account_id=item.account_id, receipt=item.receipt, parked_at=now, tries=0
    )


def _next_look(parked: ParkedReceipt) -> datetime | None:
    """The time of the next look, counted from the receipt's arrival; None after the last."""
    tries = parked.tries + 1
    return parked.parked_at + _LOOKS[tries] if tries < len(_LOOKS) else None
