"""GET /v1/health: the health of the tenant in the key's mode."""

from litestar import Controller, get
from litestar.di import NamedDependency

from messaging.application.tenants.find_health import FindHealth, TenantHealthView
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.operations import operation

_DESCRIPTION = """\
What to look at when messages do not arrive, for the key's mode alone. Good to ask once a minute. An account with
senders whose webhooks are never heard of gets no receipts; a sender whose `health.state` is not `closed` sends nothing;
dead letters and unconfirmed messages wait for a person.\
"""


class HealthController(Controller):
    path = "/v1/health"

    @get(
        "/",
        opt=operation(
            "get_own_health",
            "Health",
            "Tell how everything is getting on",
            description=_DESCRIPTION,
            returns=TenantHealthView,
        ),
    )
    async def get_health(self, request: TenantRequest, find_health: NamedDependency[FindHealth]) -> TenantHealthView:
        return await find_health(request.auth)
