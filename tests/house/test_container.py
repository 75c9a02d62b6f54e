"""The object graph of every process can be built: nothing is misspelt, missing or of the wrong kind."""

from collections.abc import AsyncIterator, Iterator
from typing import get_type_hints

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
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from messaging.application.ports.health import Upkeep
from messaging.entrypoints.api.app import create_app, create_litestar
from messaging.entrypoints.cli.processes.worker import worker_dependencies
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings, load
from messaging.entrypoints.webhooks.app import create_app as create_webhooks_app

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


async def test_handlers_are_given_what_they_ask_for(application: Application) -> None:
    """By name, and of the very class: routers take what they hand out from containers that know no types."""
    checked, wrong = 0, []
    for handler in _handlers(create_litestar(application)):
        given = handler.resolve_dependencies()
        for name, asked in get_type_hints(handler.fn).items():
            if name in given:
                checked += 1
                if type(given[name].dependency()) is not asked:
                    wrong.append(f"{handler}: {name}")

    assert checked > 80
    assert wrong == []


async def test_a_router_hands_out_nothing_that_no_handler_asks_for(application: Application) -> None:
    app = create_litestar(application)
    asked = {name for handler in _handlers(app) for name in get_type_hints(handler.fn)}
    given = {name for handler in _handlers(app) for name in handler.resolve_dependencies()}

    assert given - asked == set()


async def test_each_process_can_be_built(application: Application) -> None:
    create_app(application)
    create_webhooks_app(application)

    assert worker_dependencies(application).duties.deliver is application.delivering.deliver()


async def test_a_worker_does_all_upkeep_there_is(application: Application) -> None:
    chores = {getattr(chore.work, "__name__", "") for chore in worker_dependencies(application).duties.chores}
    upkeep = {name for name in vars(Upkeep) if not name.startswith("_")}

    assert len(upkeep) > 4
    assert upkeep - chores == set()


async def test_two_graphs_share_nothing(application: Application) -> None:
    settings = load(Settings, ENVIRONMENT)
    async with open_resources(settings) as resources:
        other = build(settings, resources, worker="other")

        assert other.messages.submit() is not application.messages.submit()


# `settings.provided.x` and the container's reference to itself.
_DERIVED = {"ProvidedInstance", "AttributeGetter", "Self"}


def _all(application: Application) -> list["Provider[object]"]:
    return list(application.traverse())


def _handlers(app: Litestar) -> Iterator[HTTPRouteHandler]:
    """Our own; the framework adds one for OPTIONS to each path."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            yield from (handler for handler in route.route_handlers if handler.fn.__module__.startswith("messaging."))
