"""Bring receipts home: match each to its attempt, fold them into their messages, park what matches nothing yet."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from messaging.application.ports.callbacks import ParkedReceipt
from messaging.application.ports.clock import Clock
from messaging.application.ports.secrets import KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import SystemUnitOfWork
from messaging.domain.messages import lifecycle
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.reference import parse
from messaging.domain.messages.standing import MessageKey
from messaging.domain.shared.ids import AccountId, TenantId

# A receipt can overtake the commit of our own answer by milliseconds, and a lost worker's by as long as its lease.
# Other apps subscribed to the same account send receipts of messages we never saw: after the last look they go.
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
    """A receipt and whose account it came through (the callback's path tells, not the payload)."""

    tenant_id: TenantId
    account_id: AccountId
    receipt: Receipt


class _Located(NamedTuple):
    key: MessageKey
    epoch: int
    arrived: Arrived


class ReconcileReceipts:
    """Works inside the caller's transaction, so that a callback is processed wholly or not at all."""

    def __init__(
        self,
        *,
        snapshots: Snapshots,
        key_ring: KeyRing,
        clock: Clock,
        telemetry: Telemetry,
        check_every: timedelta | None = None,
    ) -> None:
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._clock = clock
        self._telemetry = telemetry
        self._check_every = check_every

    async def __call__(self, uow: SystemUnitOfWork, arrived: Sequence[Arrived]) -> None:
        """Apply in any order, any number of times: the end is the same."""
        if not arrived:
            return
        unmatched = await self._settle(uow, arrived)
        now = self._clock.now()
        await uow.callbacks.park([_parked(item, now) for item in unmatched])
        for item in arrived:
            self._telemetry.count("receipts", kind=item.receipt.kind)

    async def match_parked(self, uow: SystemUnitOfWork, learnt: Sequence[tuple[AccountId, str]]) -> None:
        """Provider ids just became known: fetch the receipts that were quicker than we."""
        if not learnt:
            return
        parked = await uow.callbacks.lock_parked(learnt)
        if parked:
            await self._look_again(uow, parked)

    async def rematch(self, uow: SystemUnitOfWork, limit: int) -> int:
        """Look again at parked receipts whose time has come; returns how many were looked at."""
        parked = await uow.callbacks.lock_parked_due(limit)
        if parked:
            await self._look_again(uow, parked)
        return len(parked)

    async def _look_again(self, uow: SystemUnitOfWork, parked: Sequence[ParkedReceipt]) -> None:
        arrived = {Arrived(item.tenant_id, item.account_id, item.receipt): item for item in parked}
        unmatched = set(await self._settle(uow, list(arrived)))
        await uow.callbacks.unpark([item for key, item in arrived.items() if key not in unmatched])
        await uow.callbacks.park_again([(arrived[key], _next_look(arrived[key])) for key in unmatched])

    async def _settle(self, uow: SystemUnitOfWork, arrived: Sequence[Arrived]) -> list[Arrived]:
        """Fold what can be matched; returns the rest."""
        located = await self._locate(uow, arrived)
        standings = await uow.lifecycles.lock([item.key for item in located])
        by_message: dict[MessageKey, list[tuple[int | None, Receipt]]] = defaultdict(list)
        for item in located:
            if item.key in standings:
                by_message[item.key].append((item.epoch, item.arrived.receipt))
        changes = [
            lifecycle.receive(standings[key], receipts, check_every=self._check_every)
            for key, receipts in by_message.items()
        ]
        await uow.lifecycles.apply(changes)
        settled = {item.arrived for item in located if item.key in standings}
        return [item for item in arrived if item not in settled]

    async def _locate(self, uow: SystemUnitOfWork, arrived: Sequence[Arrived]) -> list[_Located]:
        """By the reference we asked to be echoed; where it is missing, by the provider's own message id."""
        located: list[_Located] = []
        by_provider_id: list[Arrived] = []
        for item in arrived:
            if (match := await self._by_reference(item)) is not None:
                located.append(match)
            else:
                by_provider_id.append(item)
        if by_provider_id:
            wanted = [(item.account_id, item.receipt.provider_message_id) for item in by_provider_id]
            attempts = await uow.lifecycles.find_attempts(wanted)
            for item, provider_id in zip(by_provider_id, wanted, strict=True):
                if (attempt := attempts.get(provider_id)) is not None:
                    located.append(_Located(attempt.key, attempt.epoch, item))
        return located

    async def _by_reference(self, item: Arrived) -> _Located | None:
        text = item.receipt.reference
        if text is None or (echoed := parse(text)) is None:
            return None
        facts = await self._snapshots.tenant(item.tenant_id)
        if facts is None:
            return None
        cipher = self._key_ring.cipher(item.tenant_id, facts.data_keys)
        if cipher.tag(echoed.signed_part) != echoed.tag:
            # Another tenant's or another platform's reference: it must not speak for a message of this tenant.
            return None
        return _Located(MessageKey(item.tenant_id, echoed.message_id), echoed.epoch, item)


def _parked(item: Arrived, now: datetime) -> ParkedReceipt:
    return ParkedReceipt(
        tenant_id=item.tenant_id, account_id=item.account_id, receipt=item.receipt, parked_at=now, tries=0
    )


def _next_look(parked: ParkedReceipt) -> datetime | None:
    """Counted from its arrival; None after the last look."""
    tries = parked.tries + 1
    return parked.parked_at + _LOOKS[tries] if tries < len(_LOOKS) else None
