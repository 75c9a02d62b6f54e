"""Creates a template: checks it, submits it to the provider for review, and stores it once the provider accepted it."""

from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from messaging.application.ports.clock import NewId
from messaging.application.ports.configuration import Duplicate
from messaging.application.ports.providers.outcomes import ProviderRefused
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.templates import TemplateRegistry
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.application.templates.views import TemplateView
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import AccountId, TemplateId
from messaging.domain.shared.refusals import already_exists, invalid
from messaging.domain.templates.template import (
    Components,
    ParameterFormat,
    Template,
    TemplateCategory,
    TemplateStatus,
)
from messaging.domain.templates.whatsapp_rules import creation_violations
from messaging.domain.tenants.quotas import ConfigurationQuotas, quota_exceeded
from messaging.domain.tenants.tenant import Principal, ProviderAccount

OpenConnection = Callable[[ProviderAccount], Awaitable[Connection]]


class NewTemplate(Struct, frozen=True, kw_only=True):
    """`account_id` is None when the caller's text is not an account id at all."""

    account_id: AccountId | None
    name: str
    language: str
    category: TemplateCategory
    parameter_format: ParameterFormat
    components: Components


def registry_of(registries: Mapping[str, TemplateRegistry], account: ProviderAccount) -> TemplateRegistry:
    """Raises ProviderRefused for an account of a provider that reviews no templates."""
    if (registry := registries.get(account.provider)) is None:
        raise ProviderRefused(
            "provider_refused", f"{account.provider} reviews no templates. Use a template of your own."
        )
    return registry


class CreateTemplate:
    """Creates a template. The provider is called outside any transaction. If storing fails afterwards, a
    synchronisation adds the template.
    """

    def __init__(
        self,
        *,
        open_uow: OpenUnitOfWork,
        open_connection: OpenConnection,
        registries: Mapping[str, TemplateRegistry],
        new_id: NewId,
        quotas: ConfigurationQuotas,
    ) -> None:
        self._open = open_uow
        self._open_connection = open_connection
        self._registries = registries
        self._new_id = new_id
        self._quotas = quotas

    async def __call__(self, principal: Principal, new: NewTemplate) -> TemplateView:
        """Raises DomainError: validation_failed, already_exists, provider_refused, provider_unavailable."""
        violations = _violations(new)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            account = None if new.account_id is None else await uow.accounts.account(new.account_id)
            if account is None:
                raise invalid(*violations, _ACCOUNT_UNKNOWN)
            if violations:
                raise invalid(*violations)
            if await uow.templates.template_named(account.id, new.name, new.language) is not None:
                raise already_exists(_TAKEN)
            if not await uow.room.has_room("templates", self._quotas.templates):
                raise quota_exceeded("templates", self._quotas.templates)
        registry = registry_of(self._registries, account)
        builder = self._draft(principal, new, account.id)
        created = await registry.create_template(await self._open_connection(account), builder)
        template = replace(
            builder,
            # The id is made after the provider's answer: a listing requested before this moment may lack the template.
            id=TemplateId(self._new_id()),
            category=created.category,
            status=created.status,
            external_id=created.external_id,
            quality=created.quality,
            rejected_reason=created.rejected_reason,
        )
        return TemplateView.of(await self._store(principal, template))

    def _draft(self, principal: Principal, new: NewTemplate, account_id: AccountId) -> Template:
        return Template(
            id=TemplateId(self._new_id()),
            tenant_id=principal.tenant_id,
            account_id=account_id,
            name=new.name,
            language=new.language,
            category=new.category,
            parameter_format=new.parameter_format,
            components=new.components,
            status=TemplateStatus.PENDING,
        )

    async def _store(self, principal: Principal, template: Template) -> Template:
        """Store the template; if a listing has stored it first, under its id at the provider, keep that one."""
        try:
            async with self._open(principal.tenant_id, principal.mode) as uow:
                await uow.templates.add_template(template)
                await uow.commit()
        except Duplicate as duplicate:
            async with self._open(principal.tenant_id, principal.mode) as uow:
                known = await uow.templates.template_named(template.account_id, template.name, template.language)
            if known is None or known.external_id != template.external_id:
                raise already_exists(_TAKEN) from duplicate
            return known
        return template


_ACCOUNT_UNKNOWN = Violation(
    pointer="/account_id",
    code="account_unknown",
    detail="No such provider account. GET /v1/provider-accounts lists the ones this key can use.",
)
_TAKEN = "This account has a template of this name in this language already. Choose another name."


def _violations(new: NewTemplate) -> tuple[Violation, ...]:
    return creation_violations(
        name=new.name,
        language=new.language,
        category=new.category,
        components=new.components,
        parameter_format=new.parameter_format,
    )
