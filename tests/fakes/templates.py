"""Templates as providers report them, in memory: reviews to apply, accounts to be read, messages held for them."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from messaging.application.ports.templates import DueSync, LockedTemplates
from messaging.domain.messages.change import Schedule
from messaging.domain.messages.message_state import DispatchKind
from messaging.domain.messages.state import State
from messaging.domain.shared.ids import AccountId, TemplateId, TenantId
from messaging.domain.templates.news import TemplateNews
from messaging.domain.templates.template import Template
from tests.fakes.configuration import InMemoryConfiguration
from tests.fakes.messages import InMemoryTransaction, StoredMessage

# A release is due a little after it was asked for, by when every process knows the template's new status.
_RELEASE_AFTER = timedelta(seconds=2)
_FOR_THE_TEMPLATE = ("template_paused", "template_changed")


class InMemoryProviderTemplates:
    """Over the templates of a configuration."""

    def __init__(self, configuration: InMemoryConfiguration) -> None:
        self._configuration = configuration

    async def lock(self, news: Sequence[TemplateNews]) -> LockedTemplates:
        found = [it for it in self._configuration.templates_.values() if any(_is_about(each, it) for each in news)]
        listed = {template.account_id: self._configuration.listed_.get(template.account_id) for template in found}
        return LockedTemplates(sorted(found, key=lambda template: template.id), listed)

    async def update(self, changed: Sequence[Template]) -> None:
        self._configuration.templates_ |= {template.id: template for template in changed}


def _is_about(news: TemplateNews, template: Template) -> bool:
    by_id, by_name = news.external_id == template.external_id, (news.name, news.language)
    own = (news.tenant_id, news.account_id) == (template.tenant_id, template.account_id)
    return own and (by_id or by_name == (template.name, template.language))


class InMemoryTemplateWork:
    """What is to be done about templates: accounts to be read, with since when and until when they wait, and releases.

    It is `TemplateRequests` and `TemplateSyncs`. `active` are the accounts that have turns; each has its first one
    after three quarters of an interval.
    """

    def __init__(self, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.clock = clock
        self.active: list[tuple[TenantId, AccountId]] = []
        self.syncs: dict[tuple[TenantId, AccountId], tuple[datetime, datetime]] = {}
        self.releases: dict[tuple[TenantId, TemplateId], datetime] = {}

    async def read_anew(self, accounts: Collection[tuple[TenantId, AccountId]]) -> None:
        now = self.clock()
        for account in accounts:
            asked_at, due_at = self.syncs.get(account, (now, now))
            self.syncs[account] = now, now if asked_at > now else due_at

    async def release(self, templates: Collection[tuple[TenantId, TemplateId]]) -> None:
        self.releases |= dict.fromkeys(templates, self.clock() + _RELEASE_AFTER)

    async def plan(self, every: timedelta) -> int:
        turn = self.clock() + every * 3 / 4
        fresh = {account: (turn, turn) for account in self.active if account not in self.syncs}
        self.syncs |= fresh
        return len(fresh)

    async def claim(self, *, lease: timedelta) -> DueSync | None:
        now = self.clock()
        due = [account for account, (_, due_at) in self.syncs.items() if due_at <= now]
        if not due:
            return None
        account = min(due, key=lambda account: self.syncs[account][1])
        asked_at, _ = self.syncs[account]
        self.syncs[account] = asked_at, now + lease
        return DueSync(tenant_id=account[0], account_id=account[1], asked_at=asked_at, claimed_at=now)

    async def done(self, claimed: DueSync, *, next_after: timedelta | None) -> None:
        account, now = (claimed.tenant_id, claimed.account_id), self.clock()
        asked_at, _ = self.syncs[account]
        if next_after is None:
            if asked_at == claimed.asked_at:
                del self.syncs[account]
        elif asked_at == claimed.asked_at:
            self.syncs[account] = now + next_after, now + next_after
        else:
            self.syncs[account] = asked_at, now + timedelta(seconds=5)

    async def failed(self, claimed: DueSync, *, again_after: timedelta) -> None:
        account = (claimed.tenant_id, claimed.account_id)
        self.syncs[account] = self.syncs[account][0], self.clock() + again_after


class InMemoryHeldMessages:
    """Messages that were let go because their template could not be sent, and the releases that are due."""

    def __init__(self, transaction: InMemoryTransaction, work: InMemoryTemplateWork) -> None:
        self._transaction = transaction
        self._work = work

    async def release_some(self, limit: int) -> int:
        now = self._work.clock()
        due = [template for template, due_at in self._work.releases.items() if due_at <= now]
        if not due:
            return 0
        template = min(due, key=lambda template: self._work.releases[template])
        held = [it for it in self._transaction.all() if self._is_held(it, template)][:limit]
        for it in await self._transaction.lock(it.state.key for it in held):
            self._transaction.write(replace(it, dispatch=Schedule(kind=DispatchKind.DELIVER, due_at=now)))
        if len(held) < limit:
            del self._work.releases[template]
        return 1 + len(held)

    def _is_held(self, stored: StoredMessage, template: tuple[TenantId, TemplateId]) -> bool:
        last = stored.entries[-1]
        of_template = (stored.state.key.tenant_id, stored.flow_id) == template
        is_held = last.type == "attempt.released" and last.detail.get("reason") in (
            "template_paused",
            "template_changed",
        )
        return of_template and is_held and stored.state.state is State.QUEUED and stored.due_at > self._transaction.now
