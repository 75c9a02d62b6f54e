"""Asks providers about accepted messages without a final receipt, as long as the message's retry policy says.

A check never sends anything. Between the claim of a check and its answer no transaction is open: the claim moves the
dispatch to the end of a lease, so a worker lost meanwhile delays the check by one lease.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from time import monotonic

from msgspec import Struct

from messaging.application import crashpoints
from messaging.application.messages.tracking.call_budget import CallBudget
from messaging.application.ports.providers.lookup import StatusLookup
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.secrets import CannotDecrypt, KeyRing
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.application.tenants.accounts.connections import AccountCredentials
from messaging.domain.messages.message_state import DispatchKind, MessageKey, MessageState
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.state import AWAITING_NEWS
from messaging.domain.messages.transitions.status_polling import Asked, poll_status
from messaging.domain.messages.unclear_sends import NOT_KNOWN
from messaging.domain.shared.ids import Prefix, typeid

log = logging.getLogger(__name__)

_BATCH = 200
_AT_ONCE = 8
# Seconds after which no further call to a provider begins; with the longest call this stays well within the lease.
_ASKING_SECONDS = 20.0
_LEASE = timedelta(minutes=5)


class CheckTerms(Struct, frozen=True, kw_only=True):
    """`every` overrides the policies' interval. `per_hour` bounds this process's calls for each account."""

    every: timedelta | None = None
    per_hour: int = 100


class _Answer(Struct, frozen=True):
    asked: Asked
    receipts: Sequence[Receipt] = ()


_NOT_ASKED = _Answer(Asked.NO)


class PollStatus:
    """Asks providers about messages whose check is due, one batch in each call."""

    def __init__(
        self,
        *,
        open_uow: OpenSystemUnitOfWork,
        snapshots: Snapshots,
        key_ring: KeyRing,
        credentials: AccountCredentials,
        lookups: Mapping[str, StatusLookup],
        telemetry: Telemetry,
        capabilities: AccountCapabilities,
        terms: CheckTerms | None = None,
    ) -> None:
        self._open_uow = open_uow
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._credentials = credentials
        self._lookups = lookups
        self._telemetry = telemetry
        self._capabilities = capabilities
        self._terms = terms or CheckTerms()
        self._budget = CallBudget(self._terms.per_hour)

    async def __call__(self) -> int:
        """The number of messages whose check was due; 0 when there is none. Raises StoreUnavailable."""
        claimed = await self._claim()
        if not claimed:
            return 0
        answers = await self._ask(claimed)
        await self._write(answers)
        return len(claimed)

    async def _claim(self) -> Sequence[MessageState]:
        async with self._open_uow() as uow:
            due = await uow.awaited_messages.lock_for_polling(_BATCH)
            if not due:
                return ()
            await uow.dispatches.postpone(
                {message.key: _LEASE for message in due if message.state in AWAITING_NEWS},
                kind=DispatchKind.POLL_STATUS,
            )
            await uow.dispatches.unschedule([message.key for message in due if message.state not in AWAITING_NEWS])
            await uow.commit()
        crashpoints.reach("poll_status.after_claim")
        return due

    async def _ask(self, claimed: Sequence[MessageState]) -> Mapping[MessageKey, _Answer]:
        """The provider's answer about each message; _NOT_ASKED where the time or the account's hourly calls were used
        up.
        """
        concurrency, until = asyncio.Semaphore(_AT_ONCE), monotonic() + _ASKING_SECONDS

        async def ask(message: MessageState) -> _Answer:
            async with concurrency:
                return await self._ask_one(message) if monotonic() < until else _NOT_ASKED

        async with asyncio.TaskGroup() as group:
            tasks = {message.key: group.create_task(ask(message)) for message in claimed}
        return {key: task.result() for key, task in tasks.items()}

    async def _ask_one(self, message: MessageState) -> _Answer:
        attempt, facts = message.attempt, await self._snapshots.tenant(message.key.tenant_id)
        if attempt is None or attempt.provider_message_id is None or facts is None:
            return _NOT_ASKED
        account, sender = facts.accounts.get(message.account_id), facts.senders.get(message.sender_id)
        lookup = None if account is None else self._lookup(account.provider)
        if account is None or sender is None or lookup is None:
            return _NOT_ASKED
        try:
            connection = self._credentials.connect(account, self._key_ring.cipher(account.tenant_id, facts.data_keys))
        except CannotDecrypt:
            return _NOT_ASKED
        if not self._budget.take(account.id):
            return _NOT_ASKED
        try:
            found = await lookup.history(connection, sender.external_id, attempt.provider_message_id)
        except (ProviderRefused, ProviderUnavailable) as error:
            ids = {"message_id": typeid(Prefix.MESSAGE, message.key.message_id), "code": error.code}
            log.info("message.check_failed", extra=ids)
            return _Answer(Asked.FAILED)
        return _Answer(Asked.YES, found)

    def _lookup(self, provider: str) -> StatusLookup | None:
        can = self._capabilities.of_provider.get(provider, NOT_KNOWN)
        return self._lookups.get(provider) if can.can_look_up else None

    async def _write(self, answers: Mapping[MessageKey, _Answer]) -> None:
        async with self._open_uow() as uow:
            messages = await uow.lifecycles.lock(list(answers))
            changes = [
                poll_status(message, answers[key].receipts, asked=answers[key].asked, check_every=self._terms.every)
                for key, message in messages.items()
            ]
            await uow.lifecycles.apply([change for change in changes if change is not None])
            crashpoints.reach("poll_status.before_commit")
            await uow.commit()
        for change in changes:
            if change is not None:
                news = "yes" if change.state is not change.previous else "no"
                self._telemetry.count("status_polls", news=news)
