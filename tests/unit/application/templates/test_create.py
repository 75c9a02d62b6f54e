"""A new template is checked here, submitted for review, and only then stored; later it is read and chosen for."""

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec.structs import replace

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.application.ports.providers.sending import Connection
from messaging.application.ports.providers.templates import ProviderTemplate, TemplateRegistry
from messaging.application.templates.choose import ChooseForTemplate
from messaging.application.templates.create import CreateTemplate, NewTemplate
from messaging.application.templates.queries import FindTemplate, ListTemplates
from messaging.application.templates.views import TemplateView
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import TemplateId, TenantId
from messaging.domain.shared.mode import Mode, Reach
from messaging.domain.shared.unclear import OnUnknown
from messaging.domain.templates.template import ParameterFormat, Template, TemplateCategory, TemplateStatus
from messaging.domain.tenants.quotas import ConfigurationQuotas
from messaging.domain.tenants.tenant import ProviderAccount
from tests.builders import ACCOUNT, TEMPLATE, a_principal, a_template, an_account, components
from tests.fakes.configuration import InMemoryConfiguration

CONNECTION = Connection(mode=Mode.LIVE, external_id="1", credentials=Credentials(access_token="t", app_secrets=()))


class World:
    """An account whose provider approves of everything. `submitted` is what it was given; `meanwhile` runs then."""

    def __init__(self, *templates: Template) -> None:
        self.configuration = InMemoryConfiguration()
        self.configuration.accounts_[ACCOUNT] = an_account()
        self.configuration.templates_ = {template.id: template for template in templates}
        self.submitted: list[Template] = []
        self.meanwhile: Template | None = None
        self.commits = 0
        ids = (UUID(int=number) for number in itertools.count(1))
        self._create = CreateTemplate(
            open_uow=self.open,
            open_connection=self._connect,
            registries=cast(Mapping[str, TemplateRegistry], {"whatsapp_cloud": self}),
            new_id=lambda: next(ids),
            quotas=ConfigurationQuotas(templates=2),
        )

    async def create(self, **changes: Any) -> TemplateView:
        fields: dict[str, Any] = {
            "account_id": ACCOUNT,
            "name": "order_update",
            "language": "en_US",
            "category": TemplateCategory.UTILITY,
            "parameter_format": ParameterFormat.POSITIONAL,
            "components": components(),
        }
        return await self._create(a_principal(), NewTemplate(**(fields | changes)))

    async def refusal(self, **changes: Any) -> DomainError:
        with pytest.raises(DomainError) as refused:
            await self.create(**changes)
        return refused.value

    async def _connect(self, account: ProviderAccount) -> Connection:
        return CONNECTION

    async def create_template(self, connection: Connection, template: Template) -> ProviderTemplate:
        self.submitted.append(template)
        if self.meanwhile is not None:
            self.configuration.templates_[self.meanwhile.id] = self.meanwhile
        return ProviderTemplate(
            external_id="77",
            name=template.name,
            language=template.language,
            category=TemplateCategory.MARKETING,
            parameter_format=template.parameter_format,
            components=template.components,
            status=TemplateStatus.PENDING,
            quality="UNKNOWN",
        )

    @asynccontextmanager
    async def open(self, tenant_id: TenantId, mode: Reach) -> AsyncIterator[Any]:
        yield SimpleNamespace(
            accounts=self.configuration, templates=self.configuration, room=self.configuration, commit=self._commit
        )

    async def _commit(self) -> None:
        self.commits += 1


async def test_a_template_is_stored_as_the_provider_took_it() -> None:
    world = World()

    view = await world.create()

    [stored] = world.configuration.templates_.values()
    assert (stored.external_id, stored.category, stored.quality) == ("77", TemplateCategory.MARKETING, "UNKNOWN")
    assert (view.status, world.commits) == (TemplateStatus.PENDING, 1)
    assert [it.category for it in world.submitted] == [TemplateCategory.UTILITY]


async def test_everything_wrong_with_a_template_is_listed_and_the_provider_is_not_asked() -> None:
    world = World()

    wrong = await world.refusal(name="Not A Name", account_id=None)

    assert [it.code for it in wrong.violations][-1] == "account_unknown"
    assert {it.pointer for it in wrong.violations} == {"/name", "/account_id"}
    assert {it.pointer for it in (await world.refusal(name="Not A Name")).violations} == {"/name"}
    assert (world.submitted, world.commits) == ([], 0)


async def test_a_name_is_taken_once_per_language_and_a_tenant_has_only_so_many() -> None:
    world = World(a_template())

    assert (await world.refusal()).code == "already_exists"
    await world.create(language="de")
    assert (await world.refusal(language="fr")).code == "quota_exceeded"
    assert len(world.submitted) == 1


async def test_a_listing_that_brought_it_in_first_is_believed() -> None:
    world = World()
    world.meanwhile = a_template(external_id="77")

    view = await world.create()

    assert (view.status, world.configuration.templates_) == (TemplateStatus.APPROVED, {TEMPLATE: world.meanwhile})


async def test_another_template_that_took_the_name_meanwhile_is_told() -> None:
    world = World()
    world.meanwhile = a_template(external_id="78")

    assert (await world.refusal()).code == "already_exists"


async def test_templates_are_read_by_the_page_by_name_and_by_status() -> None:
    older, newer = (a_template(id=TemplateId(UUID(int=number)), name=name) for number, name in ((1, "a"), (2, "b")))
    world = World(older, replace(newer, status=TemplateStatus.PAUSED))
    listed = ListTemplates(open_uow=world.open)

    first = await listed(a_principal(), before=None, limit=1)
    second = await listed(a_principal(), before=first.next_after, limit=1)
    paused = await listed(a_principal(), before=None, limit=5, status=TemplateStatus.PAUSED)
    named = await listed(a_principal(), before=None, limit=5, name="a")

    assert [[it.name for it in page.items] for page in (first, second, paused, named)] == [["b"], ["a"], ["b"], ["a"]]
    assert (first.next_after, second.next_after) == (UUID(int=2), None)


async def test_a_template_is_found_and_chosen_for_by_its_id() -> None:
    world = World(a_template())
    find, choose = FindTemplate(open_uow=world.open), ChooseForTemplate(open_uow=world.open)

    view = await choose(a_principal(), TEMPLATE, on_unknown=OnUnknown.RESEND)

    assert (view.on_unknown, (await find(a_principal(), TEMPLATE)).on_unknown) == (OnUnknown.RESEND, OnUnknown.RESEND)
    for attempt in (
        find(a_principal(), TemplateId(ACCOUNT)),
        choose(a_principal(), TemplateId(ACCOUNT), on_unknown=None),
    ):
        with pytest.raises(DomainError):
            await attempt
