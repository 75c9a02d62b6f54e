"""GET /v1/key: the tenant, mode and role of the key that asks."""

from litestar import Controller, get
from litestar.di import NamedDependency

from messaging.application.tenants.queries import WhoAmI
from messaging.application.tenants.views import WhoAmIView
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.operations import operation


class KeyController(Controller):
    path = "/v1/key"

    @get("/", opt=operation("get_key", "Keys", "Tell whose key this is", returns=WhoAmIView))
    async def who_am_i(self, request: TenantRequest, who_am_i: NamedDependency[WhoAmI]) -> WhoAmIView:
        return await who_am_i(request.auth)
