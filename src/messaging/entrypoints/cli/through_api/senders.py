"""Adds and lists the senders of a provider account, over the HTTP API: `app senders`."""

from typing import Any

import rich_click as click

from messaging.entrypoints.cli.printing import json_option, print_fields, print_rows
from messaging.entrypoints.cli.through_api.calling import Api
from messaging.entrypoints.composition.providers import CHANNELS

_SENDERS = "/v1/senders"


@click.group()
def senders() -> None:
    """Add and list senders, the identities that messages leave from."""


@senders.command("add")
@click.option("--account", "account_id", required=True, help="The provider account (acc_…).")
@click.option("--channel", type=click.Choice([*map(str, CHANNELS)]), required=True, help="How its messages travel.")
@click.option("--external-id", required=True, help="The provider's id for it.")
@click.option("--address", required=True, help="What recipients see: +14155550100, or an e-mail address.")
@click.option("--name", help="A name for people; default: the address.")
@click.option("--per-second", type=click.IntRange(1), help="Messages a second that the provider lets it send.")
@json_option
def add_sender(as_json: bool, name: str | None, address: str, **given: Any) -> None:
    """Add a sender. In live mode the provider is asked whether it is the account's."""
    body = {"address": address, "name": name or address, **{k: v for k, v in given.items() if v is not None}}
    print_fields(Api().call("POST", _SENDERS, body=body), as_json=as_json)


@senders.command("list")
@json_option
def list_senders(as_json: bool) -> None:
    """List the senders of the key's mode, newest first."""
    rows = Api().pages(_SENDERS, limit=100)
    print_rows(rows, ("id", "account_id", "channel", "address", "name", "status"), as_json=as_json)


COMMANDS = (senders,)
