"""Templates as providers report them, in memory: reviews to apply, accounts to be listed, messages held for them."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from messaging.application.ports.outbox import NewJob
from messaging.application.ports.templates import LockedTemplates, ReviewedAccount
from messaging.domain.messages.change import Schedule
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import TemplateId, TenantId
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template
from tests.fakes.configuration import InMemoryConfiguration
from tests.fakes.messages import InMemoryTransaction, StoredMessage
from tests.fakes.outbox import InMemoryJobsUnitOfWork

_FOR_THE_TEMPLATE = ("template_paused", "template_changed")


class InMemoryProviderTemplates:
    """Over the templates of a configuration."""

    def __init__(self, configuration: InMemoryConfiguration) -> None:
        self._configuration = configuration

    async def lock(self, news: Sequence[TemplateNews]) -> LockedTemplates:
        found = [it for it in self._configuration.templates_.values() if any(_is_about(each, it) for each in news)]
        accounts = {each.account_id for each in news} & self._configuration.accounts_.keys()
        return LockedTemplates(
            sorted(found, key=lambda template: template.id),
            {account: self._configuration.listed_.get(account) for account in accounts},
            {account: self._configuration.accounts_[account].mode for account in accounts},
        )

    async def update(self, changed: Sequence[Template]) -> None:
        self._configuration.templates_ |= {template.id: template for template in changed}


def _is_about(news: TemplateNews, template: Template) -> bool:
    by_id, by_name = news.external_id == template.external_id, (news.name, news.language)
    own = (news.tenant_id, news.account_id) == (template.tenant_id, template.account_id)
    return own and (by_id or by_name == (template.name, template.language))


class InMemorySyncSchedule:
    """In a transaction of jobs. `active` are the accounts, and `earlier` the jobs that a worker of an earlier release
    asked for in its way.
    """

    def __init__(self, uow: InMemoryJobsUnitOfWork, active: list[ReviewedAccount], earlier: list[NewJob]) -> None:
        self._uow = uow
        self._active = active
        self._earlier = earlier

    async def carry_over(self) -> int:
        carried = len(self._earlier)
        await self._uow.outbox.enqueue(self._earlier)
        self._earlier.clear()
        return carried

    async def unscheduled(self, providers: Collection[str]) -> Sequence[ReviewedAccount]:
        if "whatsapp_cloud" not in providers:
            return []
        scheduled = {row.unique_key for row in self._uow.rows.values() if row.kind == "sync_templates"}
        return [account for account in self._active if str(account.account_id) not in scheduled]


class InMemoryHeldMessages:
    """Messages that were let go because their template could not be sent."""

    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def release_some(self, tenant_id: TenantId, template_id: TemplateId, limit: int) -> int:
        held = [it for it in self._transaction.all() if self._is_held(it, (tenant_id, template_id))][:limit]
        for it in await self._transaction.lock(it.state.key for it in held):
            dispatch = Schedule(kind=DispatchKind.DELIVER, due_at=self._transaction.now)
            self._transaction.write(replace(it, dispatch=dispatch))
        return len(held)

    def _is_held(self, stored: StoredMessage, template: tuple[TenantId, TemplateId]) -> bool:
        last = stored.entries[-1]
        of_template = (stored.state.key.tenant_id, stored.flow_id) == template
        is_held = last.type == "attempt.released" and last.detail.get("reason") in _FOR_THE_TEMPLATE
        return of_template and is_held and stored.state.state is State.QUEUED and stored.due_at > self._transaction.now
