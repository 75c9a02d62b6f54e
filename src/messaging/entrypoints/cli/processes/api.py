"""Builds the process of `app api`."""

from typing import cast

from messaging.entrypoints.api.app import create_app
from messaging.entrypoints.cli.processes.listeners import serve_all
from messaging.entrypoints.cli.processes.prepare import prepare
from messaging.entrypoints.cli.processes.running import run, worker_name
from messaging.entrypoints.composition.containers import build
from messaging.entrypoints.composition.health.logins import refuse_excess
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.observability.asgi import AsgiApp
from messaging.entrypoints.settings.settings import Settings


def run_api(settings: Settings, *, host: str, port: int) -> None:
    prepare(settings, process="api")

    async def main() -> None:
        async with open_resources(settings) as resources:
            application = build(settings, resources, worker=worker_name("api"))
            await refuse_excess(application.adapters.logins(), settings)
            api = cast(AsgiApp, create_app(application))
            telemetry, admin_port = application.adapters.telemetry(), settings.api_admin_port
            await serve_all(api, settings, telemetry, host=host, port=port, admin_port=admin_port)

    run(main())
