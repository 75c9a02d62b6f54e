"""Prints a command's data: a JSON document for programs, aligned lines for people."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
import rich_click as click

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def print_json(value: object) -> None:
    click.echo(msgspec.json.encode(value).decode())


def print_fields(value: object, *, as_json: bool) -> None:
    """Prints one object, a line per field."""
    if as_json:
        print_json(value)
        return
    fields: Mapping[str, Any] = msgspec.to_builtins(value)
    width = max(map(len, fields), default=0)
    for name, field in fields.items():
        click.echo(f"{name:<{width}}  {_text(field)}")


def print_rows(rows: Sequence[object], columns: Sequence[str], *, as_json: bool) -> None:
    """Prints many objects, a line each; `--json` prints all their fields as one array."""
    if as_json:
        print_json(rows)
        return
    cells = [[_text(msgspec.to_builtins(row).get(column)) for column in columns] for row in rows]
    table(columns, cells)


def table(columns: Sequence[str], cells: Iterable[Sequence[str]]) -> None:
    lines = [list(columns), *map(list, cells)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(value: object) -> str:
    if value is None:
        return "-"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
