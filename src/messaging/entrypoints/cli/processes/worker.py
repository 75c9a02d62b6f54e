"""Builds the process of `app worker`."""

from contextlib import AbstractAsyncContextManager, nullcontext

from msgspec import Struct

from messaging.domain.channels.address import Channel
from messaging.domain.messages.message import Priority
from messaging.entrypoints.cli.processes.prepare import prepare
from messaging.entrypoints.cli.processes.running import run, worker_name
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.health.logins import refuse_excess
from messaging.entrypoints.composition.providers import CHANNELS
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.composition.terms import http_bounds
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.settings.settings import Settings
from messaging.entrypoints.worker.app import WorkerDependencies, WorkerProcess, WorkerTerms
from messaging.entrypoints.worker.duties import duties_of


class WorkerScope(Struct, frozen=True, kw_only=True):
    """Which part of the work one worker takes, and where it tells its health. `channels` of None are all that the
    providers carry.
    """

    channels: tuple[str, ...] | None
    priorities: tuple[str, ...]
    webhooks: bool
    host: str
    port: int


def run_worker(settings: Settings, scope: WorkerScope) -> int:
    """The exit code: 1 when started sends did not end within the grace."""
    prepare(settings, process="worker")

    async def main() -> int:
        async with open_resources(settings) as resources:
            application = build(settings, resources, worker=worker_name("worker"))
            await refuse_excess(application.adapters.logins(), settings)
            async with _tenant_listener(application, host=scope.host):
                return await WorkerProcess(worker_dependencies(application), _terms(settings, scope)).run()

    return run(main())


def _tenant_listener(application: Application, *, host: str) -> AbstractAsyncContextManager[object]:
    """The listener of the tenants' metrics, if there is to be one. Raises CannotListen."""
    settings = application.settings()
    if not settings.tenant_metrics.is_on:
        return nullcontext()
    telemetry, bounds = application.adapters.telemetry(), http_bounds(settings)
    port, app = settings.tenant_metrics_port, application.tenant_metrics()
    return listening(app, host=host, port=port, telemetry=telemetry, bounds=bounds)


def _terms(settings: Settings, scope: WorkerScope) -> WorkerTerms:
    return WorkerTerms(
        channels=CHANNELS if scope.channels is None else tuple(map(Channel, scope.channels)),
        priorities=tuple(Priority(name) for name in scope.priorities),
        webhooks=scope.webhooks,
        host=scope.host,
        port=scope.port,
        grace=settings.drain_grace_seconds,
        bounds=http_bounds(settings),
    )


def worker_dependencies(application: Application) -> WorkerDependencies:
    adapters = application.adapters
    return WorkerDependencies(
        duties=duties_of(application),
        workers=adapters.workers(),
        name=application.worker(),
        open_uow=adapters.open_system_uow(),
        queue=adapters.queue(),
        consumer=adapters.consumer(),
        telemetry=adapters.telemetry(),
        operations=adapters.operations(),
    )
