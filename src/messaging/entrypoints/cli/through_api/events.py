"""Events over the HTTP API: `app events list`."""

from collections.abc import Mapping
from typing import Any, Final

import rich_click as click

from messaging.entrypoints.cli.printing import json_option, print_json, print_rows
from messaging.entrypoints.cli.through_api.calling import Api

_PATH: Final = "/v1/events"
_COLUMNS: Final = ("id", "type", "timestamp", "subject", "status")

_type = click.option("--type", "type_", help="Only events of this type; 'message.*' for all of a group.")
_subject = click.option("--subject", metavar="ID", help="Only events about this message, template, … (msg_…, tpl_…).")


@click.group()
def events() -> None:
    """Show what callbacks tell."""


@events.command("list")
@_type
@_subject
@click.option("--after", metavar="EVENT_ID", help="Only events after this one (evt_…), or go on where a list ended.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many.")
@json_option
def list_events(type_: str | None, subject: str | None, after: str | None, limit: int, as_json: bool) -> None:
    """List events of the last 30 days, oldest first."""
    page = Api().call("GET", _PATH, query={**_filters(type_, subject), **_given(after=after), "limit": limit})
    if as_json:
        print_json(page["data"])
    else:
        print_rows([_line(event) for event in page["data"]], _COLUMNS, as_json=False)
    if page["has_more"]:
        click.echo(f"There may be more: the same command with --after {page['next_cursor']}", err=True)


def _filters(type_: str | None, subject: str | None) -> dict[str, str]:
    return _given(type=type_, subject=subject)


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _line(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event with the id and status of its subject, where it has them."""
    about = next((value for value in event["data"].values() if isinstance(value, dict)), {})
    return {**event, "subject": about.get("id"), "status": about.get("status")}


COMMANDS = (events,)
