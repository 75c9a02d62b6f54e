"""Prints the API's contract and the effective settings: `app openapi`, `app config`."""

import os

import msgspec
import rich_click as click

from messaging.entrypoints.cli.printing import json_option, print_json, table
from messaging.entrypoints.cli.surroundings import provider_settings
from messaging.entrypoints.settings.settings import BadSettings, Settings, load
from messaging.entrypoints.settings.shown import describe, effective


@click.command()
@json_option
def openapi(as_json: bool) -> None:
    """Print the API's OpenAPI 3.1 document (always JSON)."""
    del as_json
    from messaging.entrypoints.api.reference.openapi import openapi_document

    click.echo(msgspec.json.format(msgspec.json.encode(openapi_document()), indent=2).decode())


@click.command()
@click.option("--reference", is_flag=True, help="Print every setting there is instead of what is in force.")
@json_option
def config(reference: bool, as_json: bool) -> None:
    """Show the settings in force, secrets redacted; exit 4 if they cannot be used."""
    if reference:
        _print_reference(as_json)
        return
    try:
        values = effective(load(Settings, os.environ, provider_settings), provider_settings())
    except BadSettings:
        _print_reference(as_json)
        raise
    if as_json:
        print_json(values)
    else:
        table(("setting", "value"), values.items())


def _print_reference(as_json: bool) -> None:
    settings = describe(provider_settings())
    if as_json:
        print_json(settings)
    else:
        table(("setting", "default", "meaning"), [(it.name, it.default, it.description) for it in settings])


COMMANDS = (openapi, config)
