"""Serves one or two listeners: the public one, and beside it one for operators if it has a port of its own."""

import logging

from messaging.application.ports.telemetry import Telemetry
from messaging.entrypoints.cli.processes.running import Service, serve
from messaging.entrypoints.composition.terms import http_bounds
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.http_server.surfaces import public_only
from messaging.entrypoints.observability.asgi import AsgiApp
from messaging.entrypoints.settings.settings import Settings

log = logging.getLogger(__name__)


async def serve_all(
    app: AsgiApp, settings: Settings, telemetry: Telemetry, *, host: str, port: int, admin_port: int | None
) -> None:
    """Answer on `port`, and on `admin_port` if there is one, until told to stop."""
    bounds = http_bounds(settings)
    service = Service(bounds=bounds, telemetry=telemetry, grace=settings.shutdown_grace_seconds)
    if admin_port is None:
        await serve(app, service, host=host, port=port)
        return
    beside = listening(app, host=settings.admin_host, port=admin_port, telemetry=telemetry, bounds=bounds)
    async with beside:
        log.info("listening", extra={"host": settings.admin_host, "port": admin_port})
        await serve(public_only(app), service, host=host, port=port)
