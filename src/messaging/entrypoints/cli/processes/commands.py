"""The processes: `app api`, `app worker`, `app webhooks`, `app callbacks`. Each runs until SIGTERM and then drains."""

import os
from typing import TypeVar

import rich_click as click
from msgspec.structs import replace

from messaging.entrypoints.cli.failures import Failed
from messaging.entrypoints.cli.surroundings import provider_settings
from messaging.entrypoints.composition.providers import CHANNELS
from messaging.entrypoints.settings.settings import Settings, load

_CHANNELS = tuple(channel.value for channel in CHANNELS)
_PRIORITIES = ("critical", "high", "default", "low")


C = TypeVar("C", bound=click.Command)


def _listen(command: C) -> C:
    command.params.append(click.Option(["--host"], help="Address to listen on."))
    command.params.append(click.Option(["--port"], type=click.IntRange(0, 65_535), help="Port to listen on."))
    return command


@_listen
@click.command()
def api(host: str | None, port: int | None) -> None:
    """Serve the HTTP API: /v1 for tenants, /admin/v1 for administrators."""
    settings = _settings()
    from messaging.entrypoints.cli.processes.api import run_api

    run_api(settings, host=host or settings.api_host, port=settings.api_port if port is None else port)


@_listen
@click.command()
def webhooks(host: str | None, port: int | None) -> None:
    """Receive providers' webhooks: verify, store, acknowledge."""
    settings = _settings()
    from messaging.entrypoints.cli.processes.webhooks import run_webhooks

    run_webhooks(settings, host=host or settings.webhooks_host, port=settings.webhooks_port if port is None else port)


def _listed(allowed: tuple[str, ...], option: str, text: str | None) -> tuple[str, ...]:
    if text is None:
        return allowed
    chosen = tuple(part.strip() for part in text.split(",") if part.strip())
    unknown = [part for part in chosen if part not in allowed]
    if unknown or not chosen:
        what = f"unknown: {', '.join(unknown)}" if unknown else "nothing chosen"
        raise click.BadParameter(f"{what}; choose from {', '.join(allowed)}", param_hint=option)
    return chosen


@_listen
@click.command()
@click.option("--channels", help="Comma-separated; default: all that providers carry. Of: " + ", ".join(_CHANNELS))
@click.option("--priorities", help="Comma-separated; default: all. Of: " + ", ".join(_PRIORITIES))
@click.option("--no-webhooks", is_flag=True, help="Leave stored webhooks to other workers.")
@click.option("--concurrency", type=click.IntRange(1, 10_000), help="Sends under way at once.")
def worker(
    channels: str | None,
    priorities: str | None,
    no_webhooks: bool,
    concurrency: int | None,
    host: str | None,
    port: int | None,
) -> None:
    """Deliver due messages, process webhooks, keep the tables in order."""
    chosen_channels = None if channels is None else _listed(_CHANNELS, "--channels", channels)
    chosen_priorities = _listed(_PRIORITIES, "--priorities", priorities)
    settings = _settings()
    if concurrency is not None:
        settings = replace(settings, delivery_concurrency=concurrency)
    from messaging.entrypoints.cli.processes.worker import WorkerScope, run_worker

    scope = WorkerScope(
        channels=chosen_channels,
        priorities=chosen_priorities,
        webhooks=not no_webhooks,
        host=host or settings.worker_host,
        port=settings.worker_port if port is None else port,
    )
    code = run_worker(settings, scope)
    if code:
        raise Failed(
            "some sends had not ended when the grace was over",
            next_step="nothing is lost: another worker takes them up; give the process a longer grace",
        )


@_listen
@click.group(invoke_without_command=True)
@click.pass_context
def callbacks(context: click.Context, host: str | None, port: int | None) -> None:
    """Post events to tenants' endpoints: fan out, deliver, keep the queue in order."""
    if context.invoked_subcommand is not None:
        return
    settings = _settings()
    from messaging.entrypoints.cli.processes.callbacks import run_callbacks

    code = run_callbacks(
        settings, host=host or settings.callbacks_host, port=settings.callbacks_port if port is None else port
    )
    if code:
        raise Failed(
            "some posts had not ended when the grace was over",
            next_step="nothing is lost: they are posted again; give the process a longer grace",
        )


def _settings() -> Settings:
    return load(Settings, os.environ, provider_settings)


COMMANDS = (api, worker, webhooks, callbacks)
