"""A tenant's settings in dicts, seen in one mode or in both."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from msgspec.structs import replace

from messaging.application.ports.configuration import Counted, Duplicate
from messaging.domain.shared.ids import AccountId, KeyId, SenderId, TemplateId
from messaging.domain.shared.mode import BOTH_MODES, Reach
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.templates.template import Template
from messaging.domain.tenants.routing import RoutingRule
from messaging.domain.tenants.tenant import AccountStatus, ApiKey, ProviderAccount, Sender

T = TypeVar("T", ProviderAccount, Sender, Template, ApiKey)
V = TypeVar("V", ProviderAccount, Sender, Template, ApiKey, RoutingRule)


class InMemoryConfiguration:
    """`accounts_`, `senders_`, `templates_`, `keys_` by id, and `rules_`: what a test may look at."""

    def __init__(self, mode: Reach = BOTH_MODES) -> None:
        self._mode = mode
        self.accounts_: dict[UUID, ProviderAccount] = {}
        self.senders_: dict[UUID, Sender] = {}
        self.templates_: dict[UUID, Template] = {}
        self.keys_: dict[UUID, ApiKey] = {}
        self.listed_: dict[UUID, datetime] = {}
        self.rules_: list[RoutingRule] = []

    async def add_account(self, account: ProviderAccount) -> None:
        _refuse(any(known.webhook_token == account.webhook_token for known in self.accounts_.values()), "webhook_token")
        self.accounts_[account.id] = account

    async def update_account(self, account: ProviderAccount) -> None:
        self.accounts_[account.id] = account

    async def account(self, id: AccountId) -> ProviderAccount | None:
        return self._own(self.accounts_.get(id))

    async def account_at(self, provider: str, external_id: str) -> ProviderAccount | None:
        found = [it for it in self.accounts_.values() if (it.provider, it.external_id) == (provider, external_id)]
        found = [it for it in found if self._mode in (BOTH_MODES, it.mode)]
        return max(found, key=lambda it: (it.status is not AccountStatus.DELETED, it.id), default=None)

    async def delete_account(self, account: ProviderAccount) -> None:
        gone = {sender.id for sender in self.senders_.values() if sender.account_id == account.id}
        self.rules_ = [rule for rule in self.rules_ if rule.sender_id not in gone]
        self.accounts_[account.id] = account

    async def revive_account(self, account: ProviderAccount) -> None:
        self.accounts_[account.id] = account

    async def accounts(self, *, before: UUID | None, limit: int) -> Sequence[ProviderAccount]:
        return _page(self._all(self.accounts_), before, limit)

    async def add_sender(self, sender: Sender) -> None:
        own = [known.external_id for known in self.senders_.values() if known.account_id == sender.account_id]
        _refuse(sender.external_id in own, "sender")
        self.senders_[sender.id] = sender

    async def update_sender(self, sender: Sender) -> None:
        self.senders_[sender.id] = sender

    async def sender(self, id: SenderId) -> Sender | None:
        return self._own(self.senders_.get(id))

    async def senders(self, *, before: UUID | None, limit: int) -> Sequence[Sender]:
        return _page(self._all(self.senders_), before, limit)

    async def add_template(self, template: Template) -> None:
        taken = await self.template_named(template.account_id, template.name, template.language)
        _refuse(taken is not None, "template")
        self.templates_[template.id] = template

    async def update_template(self, template: Template) -> None:
        kept = self.templates_[template.id].on_unknown
        self.templates_[template.id] = replace(template, on_unknown=kept)

    async def choose_on_unknown(self, id: TemplateId, choice: OnUnknown | None) -> Template | None:
        template = self._own(self.templates_.get(id))
        if template is not None:
            template = self.templates_[id] = replace(template, on_unknown=choice)
        return template

    async def template(self, id: TemplateId) -> Template | None:
        return self._own(self.templates_.get(id))

    async def template_named(self, account_id: AccountId, name: str, language: str) -> Template | None:
        wanted = (account_id, name, language)
        return next((t for t in self._all(self.templates_) if (t.account_id, t.name, t.language) == wanted), None)

    async def templates(
        self, *, before: UUID | None, limit: int, name: str | None = None, status: str | None = None
    ) -> Sequence[Template]:
        found = (t for t in self._all(self.templates_) if name in (None, t.name) and status in (None, t.status))
        return _page(found, before, limit)

    async def lock_templates(self, account_id: AccountId) -> tuple[Sequence[Template], datetime | None]:
        found = sorted(
            (it for it in self._all(self.templates_) if it.account_id == account_id), key=lambda template: template.id
        )
        return found, self.listed_.get(account_id)

    async def templates_listed(self, account_id: AccountId, *, at: datetime) -> None:
        self.listed_[account_id] = at

    async def has_room(self, what: Counted, most: int) -> bool:
        match what:
            case "accounts":
                return sum(map(self._of_mode, self.accounts_.values())) < most
            case "senders":
                return sum(map(self._of_mode, self.senders_.values())) < most
            case "templates":
                return sum(map(self._of_mode, self.templates_.values())) < most
            case "keys":
                return sum(key.revoked_at is None for key in self._all(self.keys_)) < most

    async def replace_rules(self, rules: Sequence[RoutingRule]) -> None:
        others = [rule for rule in self.rules_ if self._own(rule) is None]
        self.rules_ = sorted([*others, *rules], key=lambda rule: (rule.position, rule.id))

    async def rules(self) -> Sequence[RoutingRule]:
        return [rule for rule in self.rules_ if self._own(rule) is not None]

    async def add_key(self, key: ApiKey) -> None:
        self.keys_[key.id] = key

    async def keys(self, *, before: UUID | None, limit: int) -> Sequence[ApiKey]:
        return _page(self._all(self.keys_), before, limit)

    async def revoke_key(self, id: KeyId, *, at: datetime) -> ApiKey | None:
        key = self._own(self.keys_.get(id))
        if key is not None and key.revoked_at is None:
            key = self.keys_[id] = replace(key, revoked_at=at)
        return key

    def _all(self, values: Mapping[UUID, T]) -> list[T]:
        return [value for value in values.values() if self._own(value) is not None]

    def _own(self, value: V | None) -> V | None:
        """The value, if the mode shows it and its account is not deleted."""
        return value if value is not None and self._of_mode(value) and not self._is_deleted(value) else None

    def _is_deleted(self, value: V) -> bool:
        match value:
            case ProviderAccount():
                return value.status is AccountStatus.DELETED
            case Sender() | Template():
                account = self.accounts_.get(value.account_id)
                return account is not None and account.status is AccountStatus.DELETED
            case _:
                return False

    def _of_mode(self, value: V) -> bool:
        """A template has the mode of its account, a rule that of its sender."""
        match value:
            case Template(account_id=account_id):
                mode = self.accounts_[account_id].mode
            case RoutingRule(sender_id=sender_id):
                mode = self.senders_[sender_id].mode
            case _:
                mode = value.mode
        return self._mode in (mode, BOTH_MODES)


def _page(values: Iterable[T], before: UUID | None, limit: int) -> list[T]:
    newest_first = sorted(values, key=lambda value: value.id, reverse=True)
    return [value for value in newest_first if before is None or value.id < before][:limit]


def _refuse(taken: bool, what: str) -> None:
    if taken:
        raise Duplicate(what)
