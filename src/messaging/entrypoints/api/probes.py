"""The routes for orchestrators and metrics collectors: /healthz, /readyz, /metrics."""

from litestar import Controller, Response, get
from litestar.di import NamedDependency

from messaging.entrypoints.observability.operations import Answer, Operations


class ProbesController(Controller):
    @get("/healthz")
    async def healthz(self, operations: NamedDependency[Operations]) -> Response[bytes]:
        return _response(await operations.answer("/healthz"))

    @get("/readyz")
    async def readyz(self, operations: NamedDependency[Operations]) -> Response[bytes]:
        return _response(await operations.answer("/readyz"))

    @get("/metrics")
    async def metrics(self, operations: NamedDependency[Operations]) -> Response[bytes]:
        return _response(await operations.answer("/metrics"))


def _response(answer: Answer) -> Response[bytes]:
    return Response(answer.body, status_code=answer.status, media_type=answer.content_type)
