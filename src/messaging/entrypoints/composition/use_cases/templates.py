"""What are the use cases about templates made of?"""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Singleton

from messaging.application.templates.choose import ChooseForTemplate
from messaging.application.templates.create import CreateTemplate
from messaging.application.templates.queries import FindTemplate, ListTemplates
from messaging.application.templates.sync import SyncTemplates


class TemplateUseCases(DeclarativeContainer):
    adapters: Any = DependenciesContainer()
    tenants: Any = DependenciesContainer()

    create = Singleton(
        CreateTemplate,
        open_uow=adapters.open_uow,
        open_connection=tenants.open_account,
        gateways=adapters.gateways,
        new_id=adapters.new_id,
    )
    sync = Singleton(
        SyncTemplates,
        open_uow=adapters.open_uow,
        open_connection=tenants.open_account,
        gateways=adapters.gateways,
        new_id=adapters.new_id,
    )
    choose = Singleton(ChooseForTemplate, open_uow=adapters.open_uow)
    find = Singleton(FindTemplate, open_uow=adapters.open_uow)
    list = Singleton(ListTemplates, open_uow=adapters.open_uow)
