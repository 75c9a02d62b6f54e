"""Builds the process of `app webhooks`."""

from messaging.entrypoints.cli.processes.listeners import serve_all
from messaging.entrypoints.cli.processes.prepare import prepare
from messaging.entrypoints.cli.processes.running import run, worker_name
from messaging.entrypoints.composition.containers import build
from messaging.entrypoints.composition.health.logins import refuse_excess
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.settings.settings import Settings
from messaging.entrypoints.webhooks.app import create_app
from messaging.entrypoints.webhooks.doors import open_doors


def run_webhooks(settings: Settings, *, host: str, port: int) -> None:
    prepare(settings, process="webhooks")

    async def main() -> None:
        async with open_resources(settings) as resources:
            application = build(settings, resources, worker=worker_name("webhooks"))
            await refuse_excess(application.adapters.logins(), settings)
            app = create_app(application)
            telemetry, admin_port = application.adapters.telemetry(), settings.webhooks_admin_port
            async with open_doors(application.adapters.doors(), application.webhooks.accept_referred()):
                await serve_all(app, settings, telemetry, host=host, port=port, admin_port=admin_port)

    run(main())
