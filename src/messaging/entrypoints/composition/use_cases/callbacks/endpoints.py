"""The container that builds the use cases about callback endpoints."""

from functools import partial
from typing import Any

from dependency_injector.containers import DeclarativeContainer
from dependency_injector.providers import DependenciesContainer, Dependency, Singleton

from messaging.application.callbacks.endpoints.change import ChangeEndpoint, DeleteEndpoint
from messaging.application.callbacks.endpoints.create import CreateEndpoint
from messaging.application.callbacks.endpoints.queries import FindEndpoint, ListEndpoints
from messaging.application.callbacks.endpoints.rotate import RevokePreviousSecret, RotateSecret
from messaging.application.callbacks.endpoints.send_test import SendTest
from messaging.application.tenants.accounts.ciphers import cipher_of
from messaging.entrypoints.settings.settings import Settings


class CallbackEndpointUseCases(DeclarativeContainer):
    settings: Dependency[Settings] = Dependency(instance_of=Settings)
    adapters: Any = DependenciesContainer()
    accounts: Any = DependenciesContainer()

    cipher_of = Singleton(partial, cipher_of, adapters.snapshots, adapters.key_ring)
    create = Singleton(
        CreateEndpoint,
        open_uow=adapters.open_uow,
        cipher_of=cipher_of,
        clock=adapters.clock,
        new_id=adapters.new_id,
        quotas=accounts.quotas,
        denied_ports=settings.provided.outbound_denied_ports.ports,
    )
    find = Singleton(FindEndpoint, open_uow=adapters.open_uow, cipher_of=cipher_of, clock=adapters.clock)
    list = Singleton(ListEndpoints, open_uow=adapters.open_uow, cipher_of=cipher_of)
    change = Singleton(
        ChangeEndpoint,
        open_uow=adapters.open_uow,
        cipher_of=cipher_of,
        clock=adapters.clock,
        denied_ports=settings.provided.outbound_denied_ports.ports,
    )
    delete = Singleton(DeleteEndpoint, open_uow=adapters.open_uow, cipher_of=cipher_of, clock=adapters.clock)
    rotate = Singleton(
        RotateSecret,
        open_uow=adapters.open_uow,
        cipher_of=cipher_of,
        clock=adapters.clock,
        new_id=adapters.new_id,
    )
    send_test = Singleton(SendTest, open_uow=adapters.open_uow)
    revoke_previous = Singleton(
        RevokePreviousSecret, open_uow=adapters.open_uow, cipher_of=cipher_of, clock=adapters.clock
    )
