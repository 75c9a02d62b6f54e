"""The API process's application: which routes there are, who guards them, and what they are given."""

import asyncio
from collections.abc import Sequence
from functools import partial

from litestar import Litestar, Router
from litestar.di import Provide
from litestar.types import ASGIApp, Guard

from messaging.entrypoints.api.admin import router as admin
from messaging.entrypoints.api.decoding.cursors import Cursors
from messaging.entrypoints.api.dependencies import use_case
from messaging.entrypoints.api.edge.auth import Door, admin_guard, tenant_guard
from messaging.entrypoints.api.edge.edge import Edge
from messaging.entrypoints.api.edge.errors import HANDLERS
from messaging.entrypoints.api.edge.failed_keys import FailedKeys
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.probes import ProbesController
from messaging.entrypoints.api.reference.pages import ReferenceController
from messaging.entrypoints.api.v1.accounts import router as accounts
from messaging.entrypoints.api.v1.callbacks import deliveries_router as deliveries
from messaging.entrypoints.api.v1.callbacks import endpoints_router as endpoints
from messaging.entrypoints.api.v1.callbacks import events_router as events
from messaging.entrypoints.api.v1.conversations import router as conversations
from messaging.entrypoints.api.v1.messages import router as messages
from messaging.entrypoints.api.v1.templates import router as templates
from messaging.entrypoints.api.v1.tenant import router as tenant
from messaging.entrypoints.api.v1.webhooks import router as webhooks
from messaging.entrypoints.api.watching import watching
from messaging.entrypoints.composition.containers import Application
from messaging.entrypoints.composition.providers import PROVIDERS
from messaging.entrypoints.observability.access_log import AccessLog
from messaging.entrypoints.observability.redaction import redaction_of


def create_app(has: Application) -> ASGIApp:
    """Builds the ASGI application. It opens and closes nothing: whoever built the graph does."""
    door = _door(has)
    return Edge(
        _litestar(has, door),
        express=messages.express(has.messages, door),
        log=AccessLog(process="api", redaction=redaction_of(PROVIDERS)),
        telemetry=has.adapters.telemetry(),
    )


def create_litestar(has: Application) -> Litestar:
    """The application without its outermost layer, for looking at its routes."""
    return _litestar(has, _door(has))


async def watch_store(has: Application) -> None:
    """Keep the configuration snapshots fresh, and notice a failover of the database, until cancelled.

    A message accepted after the failover was noticed is not in doubt, so the API notices by itself instead of waiting
    for a worker.
    """
    async with asyncio.TaskGroup() as group:
        group.create_task(has.adapters.snapshots().watch())
        group.create_task(has.tracking.notice_failover().watch())


def _litestar(has: Application, door: Door) -> Litestar:
    shared = {"cursors": use_case(Cursors(sign=has.adapters.key_ring().sign)), "once": use_case(_once(has))}
    return Litestar(
        route_handlers=[
            _guarded(_tenants_routers(has), tenant_guard(door), shared),
            _guarded(
                [admin.router(has.tenants, has.access, has.outbox, has.status, has.adapters)], admin_guard(door), shared
            ),
            Router(
                path="",
                route_handlers=[ProbesController],
                dependencies={"operations": use_case(has.adapters.operations())},
            ),
            ReferenceController,
        ],
        exception_handlers=HANDLERS.copy(),
        lifespan=[watching(partial(watch_store, has))],
        openapi_config=None,
        logging_config=None,
    )


def _tenants_routers(has: Application) -> Sequence[Router]:
    return [
        messages.router(has.messages),
        conversations.router(has.conversations),
        webhooks.router(has.webhooks),
        events.router(has.callback_events),
        deliveries.router(has.callback_delivery),
        endpoints.router(has.callback_endpoints, has.adapters),
        templates.router(has.templates),
        accounts.router(has.accounts, has.templates),
        tenant.router(has.tenants),
    ]


def _guarded(routers: Sequence[Router], guard: Guard, shared: dict[str, Provide]) -> Router:
    return Router(path="", route_handlers=routers, guards=[guard], dependencies=shared)


def _door(has: Application) -> Door:
    settings = has.settings()
    proxies = settings.trusted_proxies.networks if settings.trusted_proxies is not None else ()
    return Door(
        authenticate=has.access.authenticate(),
        failed_keys=FailedKeys(per_minute=settings.failed_keys_per_minute, proxies=proxies),
        limit_changes=has.tenants.limit_changes(),
    )


def _once(has: Application) -> Once:
    return Once(
        idempotency=has.adapters.idempotency(), fingerprints=has.access.fingerprints(), clock=has.adapters.clock()
    )
