"""Lists templates from providers on schedule: at intervals, and at once when a report cannot be applied by itself.

An account is claimed by moving its dispatch to the end of a lease, so no transaction is open during the provider call,
and a worker lost meanwhile delays the listing by one lease.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta

from messaging.application.ports.providers import ProviderRefused, ProviderUnavailable
from messaging.application.ports.secrets import CannotDecrypt
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.templates import DueSync
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, OpenUnitOfWork
from messaging.application.templates.create import OpenConnection
from messaging.application.templates.sync import SyncAccount, disregard_change
from messaging.domain.shared.ids import AccountId, Prefix, typeid
from messaging.domain.tenants.tenant import AccountStatus, ProviderAccount, TenantStatus

log = logging.getLogger(__name__)

# Longer than the longest listing: 120 pages.
_LEASE = timedelta(minutes=10)
# After a failure, the wait before the next try equals the time since the listing was requested, within these bounds.
_SHORTEST_BACKOFF, _LONGEST_BACKOFF = timedelta(seconds=15), timedelta(minutes=5)

HeldFor = Callable[[AccountId], Awaitable[timedelta]]


class SyncDueTemplates:
    """Lists templates of due accounts. `every` is the interval; with zero, templates are listed only when a report
    requires it.

    `held_for` tells how long nothing may be sent through an account: its provider is not asked meanwhile.
    """

    def __init__(
        self,
        *,
        open_system_uow: OpenSystemUnitOfWork,
        open_uow: OpenUnitOfWork,
        snapshots: Snapshots,
        open_connection: OpenConnection,
        sync: SyncAccount,
        held_for: HeldFor,
        telemetry: Telemetry,
        every: timedelta,
    ) -> None:
        self._open_system = open_system_uow
        self._open = open_uow
        self._snapshots = snapshots
        self._open_connection = open_connection
        self._sync = sync
        self._held_for = held_for
        self._telemetry = telemetry
        self._every = every

    async def plan(self) -> int:
        """Schedule accounts that have no listing scheduled; returns how many. Raises StoreUnavailable."""
        if not self._every:
            return 0
        async with self._open_system() as uow:
            planned = await uow.template_syncs.plan(self._every)
            await uow.commit()
        return planned

    async def __call__(self) -> int:
        """1 after an account was handled, 0 when none is due. Raises StoreUnavailable."""
        async with self._open_system() as uow:
            due = await uow.template_syncs.claim(lease=_LEASE)
            await uow.commit()
        if due is None:
            return 0
        account = await self._active_account(due)
        if account is None:
            # The schedule is dropped; `plan` schedules the account again once it is active.
            await self._end(due, "inactive", again=False)
        elif (held := await self._held_for(account.id)) > timedelta(0):
            await self._fail(due, "held", min(held, _LONGEST_BACKOFF))
        else:
            await self._read(due, account)
        return 1

    async def _active_account(self, due: DueSync) -> ProviderAccount | None:
        facts = await self._snapshots.tenant(due.tenant_id)
        account = None if facts is None else facts.accounts.get(due.account_id)
        if facts is None or account is None or facts.tenant.status is not TenantStatus.ACTIVE:
            return None
        return account if account.status is AccountStatus.ACTIVE else None

    async def _read(self, due: DueSync, account: ProviderAccount) -> None:
        try:
            connection = await self._open_connection(account)
            view = await self._sync(account, connection, asked_at=due.claimed_at)
        except (ProviderUnavailable, CannotDecrypt) as error:
            log.warning("templates.not_read", extra=_ids(due) | {"problem": str(error)[:200]})
            await self._fail(due, "unavailable", _backoff(due))
        except ProviderRefused as error:
            log.warning("templates.refused", extra=_ids(due) | {"problem": error.detail[:200]})
            await self._disregard_changes(account)
            await self._end(due, "refused")
        else:
            log.info("templates.read", extra=_ids(due) | {"changed": view.changed + view.added + view.removed})
            await self._end(due, "read")

    async def _disregard_changes(self, account: ProviderAccount) -> None:
        """Clear the marks of changed content: an account that may not list its templates could otherwise never send a
        changed one.
        """
        async with self._open(account.tenant_id, account.mode) as uow:
            ours, _ = await uow.reviewed_templates.lock_templates(account.id)
            changing = [template for template in ours if template.changed_at is not None]
            for template in changing:
                await uow.reviewed_templates.update_template(disregard_change(template))
            await uow.template_requests.release([(template.tenant_id, template.id) for template in changing])
            await uow.commit()

    async def _end(self, due: DueSync, outcome: str, *, again: bool = True) -> None:
        # Varied at random, so that accounts connected together are not listed together.
        after = self._every * random.uniform(0.9, 1.1) if self._every and again else None
        async with self._open_system() as uow:
            await uow.template_syncs.done(due, next_after=after)
            await uow.commit()
        self._telemetry.count("template_syncs", outcome=outcome)

    async def _fail(self, due: DueSync, outcome: str, again_after: timedelta) -> None:
        async with self._open_system() as uow:
            await uow.template_syncs.failed(due, again_after=again_after)
            await uow.commit()
        self._telemetry.count("template_syncs", outcome=outcome)


def _backoff(due: DueSync) -> timedelta:
    return min(max(due.claimed_at - due.asked_at, _SHORTEST_BACKOFF), _LONGEST_BACKOFF)


def _ids(due: DueSync) -> dict[str, str]:
    return {
        "tenant_id": typeid(Prefix.TENANT, due.tenant_id),
        "account_id": typeid(Prefix.ACCOUNT, due.account_id),
    }
