"""Builds the process of `app callbacks`."""

from messaging.entrypoints.callbacks.app import CallbackDuties, CallbacksProcess, CallbackTerms
from messaging.entrypoints.cli.processes.prepare import prepare
from messaging.entrypoints.cli.processes.running import run, worker_name
from messaging.entrypoints.composition.containers import Application, build
from messaging.entrypoints.composition.health.logins import refuse_excess
from messaging.entrypoints.composition.resources import open_resources
from messaging.entrypoints.composition.terms import http_bounds
from messaging.entrypoints.settings.settings import Settings


def run_callbacks(settings: Settings, *, host: str, port: int) -> int:
    """The exit code: 1 when started posts did not end within the grace."""
    prepare(settings, process="callbacks")

    async def main() -> int:
        async with open_resources(settings) as resources:
            application = build(settings, resources, worker=worker_name("callbacks"))
            await refuse_excess(application.adapters.logins(), settings)
            terms = CallbackTerms(
                host=host, port=port, grace=settings.drain_grace_seconds, bounds=http_bounds(settings)
            )
            return await callbacks_process(application, terms).run()

    return run(main())


def callbacks_process(application: Application, terms: CallbackTerms) -> CallbacksProcess:
    adapters, delivery = application.adapters, application.callback_delivery
    duties = CallbackDuties(
        fan_out=delivery.fan_out(),
        deliver=delivery.deliver(),
        measure=delivery.measure(),
        drop_old_held=delivery.drop_old_held(),
        watch=adapters.snapshots().watch,
    )
    return CallbacksProcess(duties, operations=adapters.operations(), telemetry=adapters.telemetry(), terms=terms)
