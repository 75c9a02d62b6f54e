"""The routes about callback endpoints and types of events, and the use cases that their handlers call."""

from typing import Final

from litestar import Controller, Router

from messaging.entrypoints.api.dependencies import UseCases, use_case
from messaging.entrypoints.api.edge.idempotency import SealForTenant
from messaging.entrypoints.api.v1.callbacks.endpoints import EndpointsController
from messaging.entrypoints.api.v1.callbacks.event_types import EventTypesController

CONTROLLERS: Final[tuple[type[Controller], ...]] = (EndpointsController, EventTypesController)


def router(endpoints: UseCases, adapters: UseCases) -> Router:
    sealing = SealForTenant(snapshots=adapters.snapshots(), key_ring=adapters.key_ring())
    return Router(
        path="",
        route_handlers=list(CONTROLLERS),
        dependencies={
            "seal_for_tenant": use_case(sealing),
            "create_endpoint": use_case(endpoints.create()),
            "list_endpoints": use_case(endpoints.list()),
            "find_endpoint": use_case(endpoints.find()),
            "change_endpoint": use_case(endpoints.change()),
            "delete_endpoint": use_case(endpoints.delete()),
            "rotate_secret": use_case(endpoints.rotate()),
            "send_test": use_case(endpoints.send_test()),
            "revoke_previous_secret": use_case(endpoints.revoke_previous()),
        },
    )
