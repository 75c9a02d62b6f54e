"""The object graph of every process can be built: nothing is misspelt, missing or of the wrong kind."""

from collections.abc import AsyncIterator

import pytest
from dependency_injector.providers import (
    Container,
    DependenciesContainer,
    Dependency,
    Dict,
    Object,
    Provider,
    Singleton,
)

from messaging.entrypoints.cli.processes.api import api_dependencies
from messaging.entrypoints.cli.processes.webhooks import webhooks_dependencies
from messaging.entrypoints.cli.processes.worker import worker_dependencies
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings, load

# Nobody listens there: building connects to nothing.
ENVIRONMENT = {
    "APP_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "APP_REDIS_URL": "redis://127.0.0.1:1/0",
    "APP_MASTER_KEY": "00" * 32,
}
# An async `Resource` turns every dependant into a future for ever; `Configuration` answers None for a typing error.
ALLOWED = (Singleton, Dict, Object, Dependency, Container, DependenciesContainer)


@pytest.fixture
async def application() -> AsyncIterator[Application]:
    settings = load(Settings, ENVIRONMENT)
    async with open_resources(settings) as resources:
        yield build(settings, resources, worker="test")


async def test_every_provider_can_be_instantiated(application: Application) -> None:
    built = [provider() for provider in _all(application) if isinstance(provider, Singleton | Dict)]

    assert len(built) > 40
    assert None not in built


async def test_only_lasting_kinds_of_providers_are_used(application: Application) -> None:
    others = {type(provider).__name__ for provider in _all(application) if not isinstance(provider, ALLOWED)} - _DERIVED

    assert others == set()


async def test_each_process_gets_what_it_asks_for(application: Application) -> None:
    api, worker, webhooks = (
        api_dependencies(application),
        worker_dependencies(application),
        webhooks_dependencies(application),
    )

    assert api.tenant.submit_messages is application.messages.submit()
    assert worker.deliver is application.messages.deliver()
    assert webhooks.accept is application.webhooks.accept()


async def test_two_graphs_share_nothing(application: Application) -> None:
    settings = load(Settings, ENVIRONMENT)
    async with open_resources(settings) as resources:
        other = build(settings, resources, worker="other")

        assert other.messages.submit() is not application.messages.submit()


# `settings.provided.x` and the container's reference to itself.
_DERIVED = {"ProvidedInstance", "AttributeGetter", "Self"}


def _all(application: Application) -> list["Provider[object]"]:
    return list(application.traverse())
