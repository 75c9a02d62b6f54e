"""The tenant's own templates over the HTTP API: `app templates list`, `show`, `create`, `draft`, `publish`, …"""

from typing import Any, Final, TextIO
from urllib.parse import quote

import rich_click as click

from messaging.entrypoints.cli.printing import json_option, print_fields, print_json, print_rows
from messaging.entrypoints.cli.through_api.calling import Api, read_json

_PATH: Final = "/v1/own-templates"
_PAGE: Final = 100
_COLUMNS: Final = ("id", "channel", "name", "category", "status", "published_version", "created_at")

_id = click.argument("template_id", metavar="OWN_ID")
_file = click.argument("file", type=click.File(encoding="utf-8"))


@click.group()
def templates() -> None:
    """Write and publish templates of your own, which are rendered here (docs/templates.md)."""


@templates.command("list")
@click.option("--channel", type=click.Choice(["sms", "email"]), help="Only templates of this channel.")
@click.option("--name", help="Only templates of this name.")
@click.option("--status", type=click.Choice(["active", "archived"]), help="Only templates in this status.")
@json_option
def list_templates(as_json: bool, **filters: str | None) -> None:
    """List templates, newest first."""
    given = {name: value for name, value in filters.items() if value is not None}
    print_rows(Api().pages(_PATH, limit=_PAGE, **given), _COLUMNS, as_json=as_json)


@templates.command("show")
@_id
def show(template_id: str) -> None:
    """Print a template with its published version and its draft, as JSON."""
    print_json(Api().call("GET", _of(template_id)))


@templates.command("create")
@_file
@json_option
def create(file: TextIO, as_json: bool) -> None:
    """Create a template from a JSON file with name, channel, category and content ('-' reads standard input).

    Next: `app templates publish own_…`.
    """
    _print(Api().call("POST", _PATH, body=read_json(file)), as_json=as_json)


@templates.command("draft")
@_id
@_file
@json_option
def draft(template_id: str, file: TextIO, as_json: bool) -> None:
    """Write the draft of the next version from a JSON file that holds its content, or an object with `content`."""
    read = read_json(file)
    body = read if "content" in read else {"content": read}
    _print(Api().call("PUT", f"{_of(template_id)}/draft", body={"content": body["content"]}), as_json=as_json)


@templates.command("publish")
@_id
@json_option
def publish(template_id: str, as_json: bool) -> None:
    """Publish the draft: messages submitted from now on are sent with it."""
    _print(Api().call("POST", f"{_of(template_id)}/publish"), as_json=as_json)


@templates.command("archive")
@_id
@json_option
def archive(template_id: str, as_json: bool) -> None:
    """Archive a template: no message can be submitted with it; those that were accepted are sent."""
    print_fields(Api().call("POST", f"{_of(template_id)}/archive"), as_json=as_json)


@templates.command("preview")
@_id
@click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="A text; may be repeated.")
@click.option("--values", type=click.File(encoding="utf-8"), help="A JSON file with values of all types, by name.")
@click.option("--language", help="The language to ask for; default: the template's.")
@click.option("--version", type=click.IntRange(min=1), help="Which version; default: the newest, also a draft.")
@json_option
def preview(
    template_id: str,
    variables: tuple[str, ...],
    values: TextIO | None,
    language: str | None,
    version: int | None,
    as_json: bool,
) -> None:
    """Print what a message with these values would say. Nothing is sent."""
    given: dict[str, Any] = {} if values is None else read_json(values)
    for item in variables:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{item!r} is not NAME=VALUE", param_hint="--var")
        given[name] = value
    body = {"variables": given, "language": language, "version": version}
    shown = Api().call("POST", f"{_of(template_id)}/preview", body=body)
    if as_json:
        print_json(shown)
        return
    click.echo(f"version {shown['version']}, language {shown['language']}", err=True)
    for part, text in shown["parts"].items():
        click.echo(f"--- {part}\n{text}")


def _of(template_id: str) -> str:
    return f"{_PATH}/{quote(template_id, safe='')}"


def _print(detail: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(detail)
        return
    drafted = detail["draft"]
    print_fields({**detail["template"], "draft": drafted["version"] if drafted else None}, as_json=False)


COMMANDS = (templates,)
