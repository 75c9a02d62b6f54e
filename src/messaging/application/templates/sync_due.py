"""Lists templates from providers on schedule: at intervals, and at once when a report cannot be applied by itself."""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

from messaging.application import jobs
from messaging.application.ports.outbox import ClaimedJob, Done, Failed, JobResult, Repeat, Wait
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.templates import TemplateRegistry
from messaging.application.ports.secrets import CannotDecrypt
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenSystemUnitOfWork, OpenUnitOfWork
from messaging.application.templates.create import OpenConnection
from messaging.application.templates.requests import listing, release
from messaging.application.templates.sync import SyncAccount, disregard_change
from messaging.domain.jobs.retry import JobPolicy
from messaging.domain.shared.ids import AccountId, Prefix, TenantId, typeid
from messaging.domain.tenants.tenant import AccountStatus, ProviderAccount, TenantStatus

log = logging.getLogger(__name__)

# Longer than the longest listing: 120 pages.
LONGEST_LISTING: Final = timedelta(minutes=10)
# A listing is tried until it succeeds: templates that changed cannot be sent before.
LISTING_POLICY: Final = JobPolicy(
    first_wait=timedelta(seconds=15), longest_wait=timedelta(minutes=5), most_attempts=None
)
# How long an account is left alone whose provider is held for longer.
_LONGEST_HOLD: Final = timedelta(minutes=5)

HeldFor = Callable[[AccountId], Awaitable[timedelta]]


class PlanTemplateSyncs:
    """Schedules listings for accounts that have none scheduled. With an interval of zero, templates are listed only
    when a report requires it. `registries` names the providers that have templates.
    """

    def __init__(
        self, *, open_uow: OpenSystemUnitOfWork, registries: Mapping[str, TemplateRegistry], every: timedelta
    ) -> None:
        self._open = open_uow
        self._providers = tuple(registries)
        self._every = every

    async def __call__(self) -> int:
        """How many were scheduled. Raises StoreUnavailable."""
        async with self._open() as uow:
            await uow.sync_schedule.carry_over()
            accounts = await uow.sync_schedule.unscheduled(self._providers) if self._every else ()
            await uow.outbox.enqueue(
                [
                    listing(it.tenant_id, it.mode, it.account_id, due_after=self._first_turn(), hasten=False)
                    for it in accounts
                ]
            )
            await uow.commit()
        return len(accounts)

    def _first_turn(self) -> timedelta:
        """A half to a whole interval: connecting an account lists its templates at once, and a start of all workers
        must not ask all providers at once.
        """
        return self._every * random.uniform(0.5, 1.0)


class SyncDueTemplates:
    """The handler of `jobs.SyncTemplates`: lists the templates of one account.

    `held_for` tells how long nothing may be sent through an account: its provider is not asked meanwhile.
    """

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        snapshots: Snapshots,
        open_connection: OpenConnection,
        sync: SyncAccount,
        held_for: HeldFor,
        telemetry: Telemetry,
        every: timedelta,
    ) -> None:
        self._open = open_uow
        self._snapshots = snapshots
        self._open_connection = open_connection
        self._sync = sync
        self._held_for = held_for
        self._telemetry = telemetry
        self._every = every

    async def __call__(self, job: jobs.SyncTemplates, claimed: ClaimedJob) -> JobResult:
        """Raises StoreUnavailable."""
        account = await self._active_account(claimed.tenant_id, job.account_id)
        if account is None:
            # The schedule is dropped; `PlanTemplateSyncs` schedules the account again once it is active.
            return self._ended("inactive", Done())
        if (held := await self._held_for(account.id)) > timedelta(0):
            return self._ended("held", Wait(min(held, _LONGEST_HOLD)))
        return await self._read(claimed, account)

    async def _active_account(self, tenant_id: TenantId, account_id: AccountId) -> ProviderAccount | None:
        facts = await self._snapshots.tenant(tenant_id)
        account = None if facts is None else facts.accounts.get(account_id)
        if facts is None or account is None or facts.tenant.status is not TenantStatus.ACTIVE:
            return None
        return account if account.status is AccountStatus.ACTIVE else None

    async def _read(self, claimed: ClaimedJob, account: ProviderAccount) -> JobResult:
        try:
            connection = await self._open_connection(account)
            view = await self._sync(account, connection, asked_at=claimed.claimed_at)
        except (ProviderUnavailable, CannotDecrypt) as error:
            log.warning("templates.not_read", extra=_ids(account) | {"problem": str(error)[:200]})
            return self._ended("unavailable", Failed(code="templates_not_read", reason=str(error)[:200]))
        except ProviderRefused as error:
            log.warning("templates.refused", extra=_ids(account) | {"problem": error.detail[:200]})
            await self._disregard_changes(account)
            return self._ended("refused", self._next_turn())
        log.info("templates.read", extra=_ids(account) | {"changed": view.changed + view.added + view.removed})
        return self._ended("read", self._next_turn())

    async def _disregard_changes(self, account: ProviderAccount) -> None:
        """Clear the marks of changed content: an account that may not list its templates could otherwise never send a
        changed one.
        """
        async with self._open(account.tenant_id, account.mode) as uow:
            ours, _ = await uow.reviewed_templates.lock_templates(account.id)
            changing = [template for template in ours if template.changed_at is not None]
            for template in changing:
                await uow.reviewed_templates.update_template(disregard_change(template))
            await uow.outbox.enqueue([release(template, account.mode) for template in changing])
            await uow.commit()

    def _next_turn(self) -> Done | Repeat:
        # Varied at random, so that accounts connected together are not listed together.
        return Repeat(self._every * random.uniform(0.9, 1.1)) if self._every else Done()

    def _ended(self, outcome: str, result: JobResult) -> JobResult:
        self._telemetry.count("template_syncs", outcome=outcome)
        return result


def _ids(account: ProviderAccount) -> dict[str, str]:
    return {
        "tenant_id": typeid(Prefix.TENANT, account.tenant_id),
        "account_id": typeid(Prefix.ACCOUNT, account.id),
    }
