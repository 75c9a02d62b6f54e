"""Incidents of the status page, straight in the database: they can be told of while the API is down."""

import rich_click as click

from messaging.domain.status.components import Component
from messaging.entrypoints.cli.printing import json_option, print_fields, print_rows
from messaging.entrypoints.cli.surroundings import platform_settings

_PAGE = 100
_COLUMNS = (
    "id",
    "status",
    "impact",
    "title",
    "published_at",
    "resolved_at",
    "post_mortem_due_at",
    "post_mortem_overdue",
)
_COMPONENTS = tuple(component.value for component in Component)


@click.group("incidents")
def incidents() -> None:
    """Draft, publish, update, resolve and explain incidents of the status page."""


@incidents.command("draft")
@click.argument("title")
@click.option("--impact", type=click.Choice(["degraded", "outage"]), required=True, help="How bad it is.")
@click.option(
    "--component", "components", type=click.Choice(_COMPONENTS), multiple=True, required=True, help="Repeatable."
)
@click.option("--text", required=True, help="What is told of it when it is published.")
@json_option
def draft(title: str, impact: str, components: tuple[str, ...], text: str, as_json: bool) -> None:
    """Write an incident that only administrators see."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import incidents as of_incidents

    made = of_incidents.draft(platform_settings(), title=title, impact=impact, components=components, text=text)
    print_fields(run(made), as_json=as_json)


@incidents.command("list")
@json_option
def list_all(as_json: bool) -> None:
    """List all of them, newest first, drafts included."""
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import incidents as of_incidents

    print_rows(run(of_incidents.list_all(platform_settings(), page=_PAGE)), _COLUMNS, as_json=as_json)


@incidents.command("publish")
@click.argument("incident_id")
@json_option
def publish(incident_id: str, as_json: bool) -> None:
    """Show a draft on the status page."""
    _change(incident_id, "publish", "", as_json)


@incidents.command("update")
@click.argument("incident_id")
@click.argument("text")
@json_option
def update(incident_id: str, text: str, as_json: bool) -> None:
    """Tell more of a published incident."""
    _change(incident_id, "update", text, as_json)


@incidents.command("resolve")
@click.argument("incident_id")
@click.argument("text")
@json_option
def resolve(incident_id: str, text: str, as_json: bool) -> None:
    """End an incident; it is to be explained within 48 hours."""
    _change(incident_id, "resolve", text, as_json)


@incidents.command("explain")
@click.argument("incident_id")
@click.argument("text")
@json_option
def explain(incident_id: str, text: str, as_json: bool) -> None:
    """Write what happened; a later text takes the place of the one before."""
    _change(incident_id, "explain", text, as_json)


def _change(incident_id: str, step: str, text: str, as_json: bool) -> None:
    from messaging.entrypoints.cli.processes.running import run
    from messaging.entrypoints.composition.commands import incidents as of_incidents

    print_fields(run(of_incidents.change(platform_settings(), incident_id, step, text)), as_json=as_json)


COMMANDS = (incidents,)
