"""A tenant's lists and health over the HTTP API: `app messages list`, `app messages summary`, `app health`."""

from collections.abc import Mapping
from typing import Any, Final

import rich_click as click

from messaging.domain.channels.address import Channel
from messaging.entrypoints.cli.printing import json_option, print_json, print_rows, table
from messaging.entrypoints.cli.through_api.calling import Api

_COLUMNS: Final = ("id", "status", "to", "template", "error_code", "created_at", "updated_at", "reference")
# A page without a message is not the end: a page by status or error looks through 5 000 messages.
_MOST_PAGES: Final = 50

_HEALTH: Final = {
    "senders": ("id", "channel", "name", "status", "sending", "reason"),
    "accounts": ("id", "provider", "name", "status", "webhooks_last_at", "webhooks_set_aside"),
    "templates": ("id", "name", "language", "status", "codes"),
    "lanes": ("channel", "priority", "due", "waiting", "oldest_due_at"),
}

_template = click.option("--template", help="Only messages made from templates of this name.")
_created_after = click.option(
    "--created-after", metavar="INSTANT", help="Accepted then or later: 2026-05-04T08:00:00Z."
)
_created_before = click.option("--created-before", metavar="INSTANT", help="Accepted before.")


@click.group()
def messages() -> None:
    """List and count messages. One message: `app trace`."""


@messages.command("list")
@click.option("--status", help="In one of these statuses: failed,dead.")
@click.option("--error-code", help="Whose error has this code.")
@click.option("--to", help="To this recipient.")
@click.option("--reference", help="With this reference of yours.")
@_template
@_created_after
@_created_before
@click.option("--updated-after", metavar="INSTANT", help="Last changed then or later.")
@click.option("--updated-before", metavar="INSTANT", help="Last changed before.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="At most so many.")
@click.option("--after", metavar="CURSOR", help="Go on where an earlier list ended.")
@json_option
def list_messages(limit: int, after: str | None, as_json: bool, **filters: str | None) -> None:
    """List messages, newest first. Send some of them again with POST /v1/operator-actions, or one with `app retry`."""
    rows, cursor = _found(Api(), _given(filters), limit, after)
    if as_json:
        print_json(rows)
    else:
        print_rows([_line(row) for row in rows], _COLUMNS, as_json=False)
    if cursor is not None:
        click.echo(f"There may be more: the same command with --after {cursor}", err=True)


@messages.command("summary")
@_created_after
@_created_before
@_template
@click.option(
    "--channel", type=click.Choice([channel.value for channel in Channel]), help="Only messages that travel this way."
)
@json_option
def summary(as_json: bool, **narrower: str | None) -> None:
    """Count the messages of a range (by default the last 24 hours) by status and by error code."""
    counted = Api().call("GET", "/v1/messages/summary", query=_given(narrower))
    if as_json:
        print_json(counted)
        return
    click.echo(f"{counted['messages']} messages from {counted['counted_since']} to {counted['created_before']}")
    rows = [(row["status"], "", str(row["messages"])) for row in counted["by_status"]]
    rows += [(row["status"], row["error_code"], str(row["messages"])) for row in counted["by_reason"]]
    table(("status", "error_code", "messages"), rows)
    if counted["truncated"]:
        click.echo("Older messages of the range were not counted: give a shorter range.", err=True)


def _given(options: Mapping[str, str | None]) -> dict[str, str | int]:
    return {name: value for name, value in options.items() if value is not None}


def _found(
    api: Api, filters: Mapping[str, str | int], limit: int, after: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """The messages found, and the cursor to go on from if there may be more."""
    rows: list[dict[str, Any]] = []
    for _ in range(_MOST_PAGES):
        position = {} if after is None else {"after": after}
        page = api.call("GET", "/v1/messages", query={**filters, **position, "limit": limit - len(rows)})
        rows += page["data"]
        after = page["next_cursor"]
        if after is None or len(rows) == limit:
            break
    return rows, after


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    error, content = row["error"] or {}, row["content"]
    return {**row, "error_code": error.get("code"), "template": content.get("name")}


@click.command()
@json_option
def health(as_json: bool) -> None:
    """Show what to look at if messages do not arrive: senders, accounts, templates, lanes, and what needs a person."""
    found = Api().call("GET", "/v1/health")
    if as_json:
        print_json(found)
        return
    click.echo(f"mode: {found['mode']}")
    for heading, columns in _HEALTH.items():
        click.echo(f"\n{heading}: {len(found[heading])}")
        if found[heading]:
            print_rows([_stated(row) for row in found[heading]], columns, as_json=False)
    click.echo(
        f"\nfor a person: {found['dead_letters_open']} dead letters, {found['unconfirmed']} unconfirmed messages"
    )


def _stated(row: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a sender's health that tells whether messages leave, and why not."""
    state = row.get("health") or {}
    return {
        **row,
        "sending": state.get("state"),
        "reason": state.get("reason"),
        "codes": ", ".join(row.get("codes", ())),
    }


COMMANDS = (messages, health)
