"""The container that builds the use cases about templates."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.templates.choose import ChooseForTemplate
from messaging.application.templates.create import CreateTemplate
from messaging.application.templates.own.change import ArchiveOwnTemplate, PublishDraft, WriteDraft
from messaging.application.templates.own.create import CreateOwnTemplate
from messaging.application.templates.own.queries import (
    FindOwnTemplate,
    FindOwnVersion,
    ListOwnTemplates,
    ListOwnVersions,
    PreviewOwnTemplate,
)
from messaging.application.templates.queries import FindTemplate, ListTemplates
from messaging.application.templates.sync import SyncAccount, SyncTemplates
from messaging.application.templates.sync_due import PlanTemplateSyncs, SyncDueTemplates
from messaging.entrypoints.composition import terms
from messaging.entrypoints.settings.settings import Settings


class TemplateUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    accounts: Any = DependenciesContainer()
    pacing: Any = DependenciesContainer()

    create = Singleton(
        CreateTemplate,
        open_uow=adapters.open_uow,
        open_connection=accounts.open,
        registries=adapters.registries,
        new_id=adapters.new_id,
        quotas=accounts.quotas,
    )
    sync_account = Singleton(
        SyncAccount, open_uow=adapters.open_uow, registries=adapters.registries, new_id=adapters.new_id
    )
    sync = Singleton(
        SyncTemplates,
        open_uow=adapters.open_uow,
        open_connection=accounts.open,
        sync=sync_account,
        clock=adapters.clock,
    )
    plan_syncs = Singleton(
        PlanTemplateSyncs,
        open_uow=adapters.open_system_uow,
        registries=adapters.registries,
        every=Singleton(terms.template_sync_every, settings),
    )
    sync_due = Singleton(
        SyncDueTemplates,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        open_connection=accounts.open,
        sync=sync_account,
        held_for=pacing.account_holds,
        telemetry=adapters.telemetry,
        every=Singleton(terms.template_sync_every, settings),
    )
    create_own = Singleton(
        CreateOwnTemplate,
        open_uow=adapters.open_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
        quotas=accounts.quotas,
    )
    write_own_draft = Singleton(WriteDraft, open_uow=adapters.open_uow, clock=adapters.clock)
    publish_own_draft = Singleton(PublishDraft, open_uow=adapters.open_uow, clock=adapters.clock)
    archive_own = Singleton(ArchiveOwnTemplate, open_uow=adapters.open_uow)
    preview_own = Singleton(PreviewOwnTemplate, open_uow=adapters.open_uow)
    find_own = Singleton(FindOwnTemplate, open_uow=adapters.open_uow)
    list_own = Singleton(ListOwnTemplates, open_uow=adapters.open_uow)
    find_own_version = Singleton(FindOwnVersion, open_uow=adapters.open_uow)
    list_own_versions = Singleton(ListOwnVersions, open_uow=adapters.open_uow)

    choose = Singleton(ChooseForTemplate, open_uow=adapters.open_uow)
    find = Singleton(FindTemplate, open_uow=adapters.open_uow)
    list = Singleton(ListTemplates, open_uow=adapters.open_uow)
