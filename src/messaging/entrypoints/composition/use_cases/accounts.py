"""The container that builds the use cases about provider accounts, senders and who is served by which."""

from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

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
from messaging.application.tenants.queries import FindAccount, FindSender, ListAccounts, ListSenders
from messaging.application.tenants.routing_rules import ListRules, ReplaceRules
from messaging.application.tenants.tell_health import TellHealth
from messaging.entrypoints.composition import terms
from messaging.entrypoints.settings.settings import Settings


class AccountUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()

    webhooks_url = settings.provided.webhooks_public_url.value
    quotas = Singleton(terms.configuration_quotas, settings)

    open = Singleton(
        OpenAccount, snapshots=adapters.snapshots, key_ring=adapters.key_ring, credentials=adapters.credentials
    )
    verify = Singleton(VerifyAccount, setups=adapters.setups, providers=adapters.installed)
    connect = Singleton(
        ConnectAccount,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        clock=adapters.clock,
        new_id=adapters.new_id,
        webhooks_url=webhooks_url,
        quotas=quotas,
        verify=verify,
    )
    change = Singleton(
        ChangeAccount,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        webhooks_url=webhooks_url,
        credentials=adapters.credentials,
        verify=verify,
    )
    delete = Singleton(
        DeleteAccount,
        open_uow=adapters.open_uow,
        snapshots=adapters.snapshots,
        key_ring=adapters.key_ring,
        credentials=adapters.credentials,
        providers=adapters.installed,
        webhooks_url=webhooks_url,
    )
    subscribe = Singleton(
        SubscribeAccount,
        open_uow=adapters.open_uow,
        open_account=open,
        setups=adapters.setups,
        webhooks_url=webhooks_url,
    )
    register_number = Singleton(
        RegisterNumber,
        open_uow=adapters.open_uow,
        open_account=open,
        setups=adapters.setups,
        directories=adapters.directories,
    )
    find = Singleton(FindAccount, open_uow=adapters.open_uow, webhooks_url=webhooks_url)
    list = Singleton(ListAccounts, open_uow=adapters.open_uow, webhooks_url=webhooks_url)

    tell_health = Singleton(TellHealth, records=adapters.health_records)
    add_sender = Singleton(
        AddSender,
        open_uow=adapters.open_uow,
        tell_health=tell_health,
        clock=adapters.clock,
        new_id=adapters.new_id,
        providers=adapters.installed,
        quotas=quotas,
        check_number=Singleton(
            CheckNumber, open_account=open, directories=adapters.directories, providers=adapters.installed
        ),
    )
    change_sender = Singleton(ChangeSender, open_uow=adapters.open_uow, tell_health=tell_health)
    find_sender = Singleton(FindSender, open_uow=adapters.open_uow, tell_health=tell_health)
    list_senders = Singleton(ListSenders, open_uow=adapters.open_uow, tell_health=tell_health)

    list_rules = Singleton(ListRules, open_uow=adapters.open_uow)
    replace_rules = Singleton(ReplaceRules, open_uow=adapters.open_uow, new_id=adapters.new_id)
