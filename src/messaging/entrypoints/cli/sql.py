"""`app sql`: the hot statements as they are sent, to be read, pasted and explained."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import rich_click as click

from messaging.entrypoints.cli.failures import Exit, Failed
from messaging.entrypoints.cli.printing import json_option, print_json, table

if TYPE_CHECKING:  # imported when it runs, since its libraries load slowly
    from messaging.entrypoints.composition.commands.statements import HotStatement

_WEEK: Final = re.compile(r"[0-9]{4}w[0-9]{2}")
_SETTINGS: Final = {"messaging_app": "; app.tenant_id and app.mode say whose work it is"}


@click.command()
@click.argument("name", required=False)
@click.option("--week", metavar="YYYYwWW", help="Name the tables of that week, as is done where a set lives in one.")
@json_option
def sql(name: str | None, week: str | None, as_json: bool) -> None:
    """List the hot statements, or print the one called NAME as it is sent.

    Hot is what runs for every batch of messages or webhooks, for every look for due work, or for a page of a list.
    """
    from messaging.entrypoints.composition.commands.statements import BY_NAME

    if week is not None and not _WEEK.fullmatch(week):
        raise click.BadParameter("write it like 2026w48, year and ISO week", param_hint="--week")
    suffix = "" if week is None else f"_{week}"
    shown = list(BY_NAME.values()) if name is None else [_found(name, BY_NAME)]
    if as_json:
        print_json([_document(statement, suffix) for statement in shown])
    elif name is None:
        table(("name", "purpose"), [(statement.name, statement.purpose) for statement in shown])
    else:
        _print(shown[0], suffix)


def _found(name: str, statements: "Mapping[str, HotStatement]") -> "HotStatement":
    if name not in statements:
        raise Failed(f"there is no statement called {name}", next_step="`app sql` lists them all", code=Exit.USAGE)
    return statements[name]


def _document(statement: "HotStatement", suffix: str) -> dict[str, str]:
    return {
        "name": statement.name,
        "purpose": statement.purpose,
        "role": statement.role,
        "sql": statement.of_week(suffix).strip(),
    }


def _print(statement: "HotStatement", suffix: str) -> None:
    click.echo(f"-- {statement.name}: {statement.purpose}")
    click.echo(f"-- Runs as the role {statement.role}{_SETTINGS.get(statement.role, '')}.")
    click.echo(f"{statement.of_week(suffix).strip()};")


COMMANDS = (sql,)
