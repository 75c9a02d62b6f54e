"""The container that builds the use cases about keys and who holds them."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.access.admin_keys import IssueAdminKey, ListAdminKeys, RevokeAdminKey, RotateAdminKey
from messaging.application.access.authenticate import Authenticate
from messaging.application.access.issue_key import IssueKey
from messaging.application.access.revoke_key import RevokeKey
from messaging.application.tenants.accounts.ciphers import FingerprintRequests
from messaging.application.tenants.queries import ListKeys
from messaging.entrypoints.composition import terms
from messaging.entrypoints.settings.settings import Settings


class AccessUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    tenants: Any = DependenciesContainer()

    authenticate = Singleton(Authenticate, snapshots=adapters.snapshots, clock=adapters.clock)
    fingerprints = Singleton(FingerprintRequests, snapshots=adapters.snapshots, key_ring=adapters.key_ring)

    issue_key = Singleton(
        IssueKey,
        open_uow=adapters.open_uow,
        open_system_uow=adapters.open_system_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
        quotas=Singleton(terms.configuration_quotas, settings),
    )
    revoke_key = Singleton(RevokeKey, open_uow=adapters.open_uow, clock=adapters.clock)
    list_keys = Singleton(ListKeys, open_uow=adapters.open_uow, find_tenant=tenants.find_tenant)

    issue_admin_key = Singleton(
        IssueAdminKey, open_system_uow=adapters.open_system_uow, clock=adapters.clock, new_id=adapters.new_id
    )
    list_admin_keys = Singleton(ListAdminKeys, open_system_uow=adapters.open_system_uow)
    revoke_admin_key = Singleton(RevokeAdminKey, open_system_uow=adapters.open_system_uow, clock=adapters.clock)
    rotate_admin_key = Singleton(
        RotateAdminKey, open_system_uow=adapters.open_system_uow, clock=adapters.clock, new_id=adapters.new_id
    )
