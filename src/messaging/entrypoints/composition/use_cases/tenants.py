"""The container that builds the use cases about tenants, their preferences and their health."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.tenants.change_tenant import ChangeTenant
from messaging.application.tenants.create_tenant import CreateTenant
from messaging.application.tenants.find_health import FindHealth
from messaging.application.tenants.limit_changes import LimitChanges
from messaging.application.tenants.preferences import ChangePreferences, FindPreferences
from messaging.application.tenants.queries import FindTenant, ListTenants, WhoAmI
from messaging.entrypoints.settings.settings import Settings


class TenantUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    accounts: Any = DependenciesContainer()

    create_tenant = Singleton(
        CreateTenant,
        open_system_uow=adapters.open_system_uow,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        new_id=adapters.new_id,
    )
    change_tenant = Singleton(ChangeTenant, open_system_uow=adapters.open_system_uow)
    find_tenant = Singleton(FindTenant, open_system_uow=adapters.open_system_uow)
    list_tenants = Singleton(ListTenants, open_system_uow=adapters.open_system_uow)

    find_preferences = Singleton(FindPreferences, open_system_uow=adapters.open_system_uow)
    change_preferences = Singleton(ChangePreferences, change_tenant=change_tenant)
    find_health = Singleton(
        FindHealth,
        snapshots=adapters.snapshots,
        open_uow=adapters.open_uow,
        tell_health=accounts.tell_health,
        heard=adapters.webhooks_heard,
    )
    who_am_i = Singleton(WhoAmI, snapshots=adapters.snapshots)
    limit_changes = Singleton(
        LimitChanges, quotas=adapters.submission_limits, per_minute=settings.provided.tenant_changes_per_minute
    )
