"""The commands of `app`. What a command starts is imported when it runs, so that `app --help` is quick."""

import sys

import rich_click as click

from messaging.entrypoints.cli import reports, sql
from messaging.entrypoints.cli.failures import exit_code_of
from messaging.entrypoints.cli.in_database import admin_keys, administration, database, incidents, jobs, raw_webhooks
from messaging.entrypoints.cli.lab import chaos, local
from messaging.entrypoints.cli.processes import commands as processes
from messaging.entrypoints.cli.through_api import (
    accounts,
    events,
    listing,
    messages,
    own_templates,
    provider_events,
    senders,
    tracing,
)
from messaging.entrypoints.cli.through_api.callbacks import endpoints as callback_endpoints
from messaging.entrypoints.cli.through_api.connecting import command as connecting

__all__ = ["app", "main"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Settings are environment variables; `app config` shows them. Start with `app dev` or `app demo`."
    " Exit codes: 0 ok, 1 failure, 2 usage, 3 a dependency is down, 4 configuration, 130 interrupted.",
)
@click.version_option(package_name="messaging", prog_name="app")
def app() -> None:
    """Self-hosted messaging platform: submit intent, get every message to a reported end."""


_MODULES = (
    processes,
    local,
    chaos,
    database,
    listing,
    admin_keys,
    administration,
    jobs,
    incidents,
    raw_webhooks,
    connecting,
    accounts,
    senders,
    messages,
    tracing,
    own_templates,
    provider_events,
    events,
    reports,
    sql,
)

for module in _MODULES:
    for command in module.COMMANDS:
        app.add_command(command)
for command in callback_endpoints.COMMANDS:
    processes.callbacks.add_command(command)


def main() -> None:
    """Exit codes: 0 ok, 1 failure, 2 usage, 3 dependency down, 4 configuration, 130 interrupted."""
    try:
        result = app.main(standalone_mode=False, prog_name="app")
    except BaseException as error:  # noqa: BLE001 - here, and only here, every end becomes an exit code
        sys.exit(exit_code_of(error))
    sys.exit(result if isinstance(result, int) else 0)
