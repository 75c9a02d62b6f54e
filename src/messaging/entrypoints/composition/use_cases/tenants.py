"""The container that builds the use cases about tenants, keys, accounts and senders."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.access.admin_keys import IssueAdminKey, ListAdminKeys, RevokeAdminKey, RotateAdminKey
from messaging.application.access.authenticate import Authenticate
from messaging.application.access.issue_key import IssueKey
from messaging.application.access.revoke_key import RevokeKey
from messaging.application.tenants.accounts.add_sender import AddSender, ChangeSender
from messaging.application.tenants.accounts.ciphers import OpenAccount
from messaging.application.tenants.accounts.connect_account import ChangeAccount, ConnectAccount
from messaging.application.tenants.accounts.delete_account import DeleteAccount
from messaging.application.tenants.accounts.set_up_account import (
    CheckNumber,
    RegisterNumber,
    SubscribeAccount,
    VerifyAccount,
)
from messaging.application.tenants.change_tenant import ChangeTenant
from messaging.application.tenants.create_tenant import CreateTenant
from messaging.application.tenants.find_health import FindHealth
from messaging.application.tenants.limit_changes import LimitChanges
from messaging.application.tenants.preferences import ChangePreferences, FindPreferences
from messaging.application.tenants.queries import (
    FindAccount,
    FindSender,
    FindTenant,
    ListAccounts,
    ListKeys,
    ListSenders,
    ListTenants,
    WhoAmI,
)
from messaging.application.tenants.routing_rules import ListRules, ReplaceRules
from messaging.application.tenants.tell_health import TellHealth
from messaging.entrypoints.composition import terms
from messaging.entrypoints.settings.settings import Settings


class TenantUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()

    webhooks_url = settings.provided.webhooks_public_url.value
    quotas = Singleton(terms.configuration_quotas, settings)
    limit_changes = Singleton(
        LimitChanges, quotas=adapters.submission_limits, per_minute=settings.provided.tenant_changes_per_minute
    )
    authenticate = Singleton(Authenticate, snapshots=adapters.snapshots, clock=adapters.clock)
    who_am_i = Singleton(WhoAmI, snapshots=adapters.snapshots)

    create_tenant = Singleton(
        CreateTenant,
        open_system_uow=adapters.open_system_uow,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        new_id=adapters.new_id,
    )
    change_tenant = Singleton(ChangeTenant, open_system_uow=adapters.open_system_uow)
    find_preferences = Singleton(FindPreferences, open_system_uow=adapters.open_system_uow)
    change_preferences = Singleton(ChangePreferences, change_tenant=change_tenant)
    find_tenant = Singleton(FindTenant, open_system_uow=adapters.open_system_uow)
    list_tenants = Singleton(ListTenants, open_system_uow=adapters.open_system_uow)

    issue_key = Singleton(
        IssueKey,
        open_uow=adapters.open_uow,
        open_system_uow=adapters.open_system_uow,
        clock=adapters.clock,
        new_id=adapters.new_id,
        quotas=quotas,
    )
    issue_admin_key = Singleton(
        IssueAdminKey, open_system_uow=adapters.open_system_uow, clock=adapters.clock, new_id=adapters.new_id
    )
    list_admin_keys = Singleton(ListAdminKeys, open_system_uow=adapters.open_system_uow)
    revoke_admin_key = Singleton(RevokeAdminKey, open_system_uow=adapters.open_system_uow, clock=adapters.clock)
    rotate_admin_key = Singleton(
        RotateAdminKey, open_system_uow=adapters.open_system_uow, clock=adapters.clock, new_id=adapters.new_id
    )
    revoke_key = Singleton(RevokeKey, open_uow=adapters.open_uow, clock=adapters.clock)
    list_keys = Singleton(ListKeys, open_uow=adapters.open_uow, find_tenant=find_tenant)

    open_account = Singleton(OpenAccount, snapshots=adapters.snapshots, key_ring=adapters.key_ring)
    verify_account = Singleton(VerifyAccount, setups=adapters.setups)
    connect_account = Singleton(
        ConnectAccount,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        new_id=adapters.new_id,
        webhooks_url=webhooks_url,
        quotas=quotas,
        verify=verify_account,
    )
    change_account = Singleton(
        ChangeAccount,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        webhooks_url=webhooks_url,
        verify=verify_account,
    )
    delete_account = Singleton(
        DeleteAccount,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        webhooks_url=webhooks_url,
    )
    subscribe_account = Singleton(
        SubscribeAccount,
        open_uow=adapters.open_uow,
        open_account=open_account,
        setups=adapters.setups,
        webhooks_url=webhooks_url,
    )
    register_number = Singleton(
        RegisterNumber,
        open_uow=adapters.open_uow,
        open_account=open_account,
        setups=adapters.setups,
        gateways=adapters.gateways,
    )
    find_account = Singleton(FindAccount, open_uow=adapters.open_uow, webhooks_url=webhooks_url)
    list_accounts = Singleton(ListAccounts, open_uow=adapters.open_uow, webhooks_url=webhooks_url)

    tell_health = Singleton(TellHealth, records=adapters.health_records)
    add_sender = Singleton(
        AddSender,
        open_uow=adapters.open_uow,
        tell_health=tell_health,
        clock=adapters.clock,
        new_id=adapters.new_id,
        carried=adapters.carried,
        quotas=quotas,
        check_number=Singleton(CheckNumber, open_account=open_account, gateways=adapters.gateways),
    )
    change_sender = Singleton(ChangeSender, open_uow=adapters.open_uow, tell_health=tell_health)
    find_sender = Singleton(FindSender, open_uow=adapters.open_uow, tell_health=tell_health)
    list_senders = Singleton(ListSenders, open_uow=adapters.open_uow, tell_health=tell_health)

    find_health = Singleton(
        FindHealth,
        snapshots=adapters.snapshots,
        open_uow=adapters.open_uow,
        tell_health=tell_health,
        heard=adapters.webhooks_heard,
    )

    list_rules = Singleton(ListRules, open_uow=adapters.open_uow)
    replace_rules = Singleton(ReplaceRules, open_uow=adapters.open_uow, new_id=adapters.new_id)
