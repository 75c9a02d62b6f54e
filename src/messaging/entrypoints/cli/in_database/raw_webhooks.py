"""Webhooks of providers that could not be processed, straight in the database."""

import rich_click as click

from messaging.entrypoints.cli.printing import json_option, print_fields
from messaging.entrypoints.cli.surroundings import platform_settings


@click.group("raw-webhooks")
def raw_webhooks() -> None:
    """Process webhooks again that were set aside."""


@raw_webhooks.command("replay")
@click.option("--limit", type=click.IntRange(1, 10_000), default=1_000, show_default=True, help="At most so many.")
@json_option
def replay(limit: int, as_json: bool) -> None:
    """Let webhooks that were set aside be due again, those first that have waited longest.

    So are those with messages to a number that was connected since. The workers process them; what fails once more is
    set aside once more, with its reason in the log.
    """
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import administration

    count = run(administration.replay_webhooks(platform_settings(), limit))
    print_fields({"due_again": count}, as_json=as_json)


COMMANDS = (raw_webhooks,)
