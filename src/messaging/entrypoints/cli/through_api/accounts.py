"""Connects, changes, lists and disconnects accounts of any provider, over the HTTP API: `app accounts`."""

import json
from typing import IO, Any, Final
from urllib.parse import quote

import rich_click as click

from messaging.application.ports.providers.descriptor import Provider
from messaging.entrypoints.cli.failures import Failed, say
from messaging.entrypoints.cli.printing import json_option, print_fields, print_json, print_rows
from messaging.entrypoints.cli.through_api.calling import Api
from messaging.entrypoints.cli.through_api.connecting.credentials import (
    Decorator,
    credential_options,
    credentials_in,
    with_options,
)
from messaging.entrypoints.composition.providers import PROVIDERS, prefix_of

_ACCOUNTS: Final = "/v1/provider-accounts"
_PAGE: Final = 100
_CONNECTING: Final = """\
Connect an account at {title}.

Secrets are best given in the environment: other users of this machine can see options. What is required and not given
is asked for, without an echo. With --check the provider is asked about the account, and nothing is stored.\
"""


@click.group()
def accounts() -> None:
    """Connect, change, list and disconnect accounts at providers."""


@accounts.group()
def connect() -> None:
    """Connect an account at a provider; each asks for its own credentials."""


def connecting(provider: Provider, prefix: str) -> click.Command:
    """The command that connects an account at this provider, with an option for each of its credentials.

    Their values are taken from the environment too: `<prefix>_<FIELD>`.
    """

    def run(external_id: str, name: str, verify: bool | None, check: bool, as_json: bool, **given: Any) -> None:
        body = {"provider": provider.name, "external_id": external_id, **credentials_in(provider, given)}
        if check:
            _check(body, as_json=as_json)
        else:
            _connect({**body, "name": name} | ({} if verify is None else {"verify": verify}), as_json=as_json)

    options: list[Decorator] = [
        click.option("--external-id", required=True, help=f"The account's id. {provider.account_id.words}."),
        click.option("--name", default=provider.title, show_default=True, help="A name for people."),
        *credential_options(provider, prefix),
        click.option("--verify/--no-verify", default=None, help="Ask the provider first; default: in live mode."),
        click.option("--check", is_flag=True, help="Say what the provider says of the account, and store nothing."),
        json_option,
    ]
    text = _CONNECTING.format(title=provider.title)
    return click.command(provider.name.replace("_", "-"), help=text)(with_options(run, options))


def _connect(body: dict[str, Any], *, as_json: bool) -> None:
    account = Api().call("POST", _ACCOUNTS, body=body)
    say(f"next: have its webhooks sent to {account['webhook_url']}, then `app senders add --account {account['id']} …`")
    print_fields(account, as_json=as_json)


def _check(body: dict[str, Any], *, as_json: bool) -> None:
    told = Api().call("POST", f"{_ACCOUNTS}/verify", body=body)
    if as_json:
        print_json(told)
    else:
        print_rows(told["checks"], ("part", "ok", "detail"), as_json=False)
        print_rows(told["numbers"], ("external_id", "address", "name", "status"), as_json=False)
    if not told["ok"]:
        raise Failed("the account cannot be used like this", next_step="mend what is not ok above")


for _provider in PROVIDERS:
    connect.add_command(connecting(_provider, prefix_of(_provider)))


@accounts.command("change")
@click.argument("account_id")
@click.option("--name", help="A new name for people.")
@click.option("--status", type=click.Choice(["active", "disabled"]), help="Whether it is used.")
@click.option(
    "--credentials",
    type=click.File(encoding="utf-8"),
    help='File with the credentials to replace, as JSON: {"auth_token": "…"}; `-`: from stdin. Others stay.',
)
@json_option
def change_account(
    account_id: str, name: str | None, status: str | None, credentials: IO[str] | None, as_json: bool
) -> None:
    """Rename, disable or enable an account (acc_…), or rotate its credentials."""
    given = {"name": name, "status": status}
    body = {field: value for field, value in given.items() if value is not None} | _read(credentials)
    if not body:
        raise Failed("nothing to change", next_step="give --name, --status or --credentials")
    print_fields(Api().call("PATCH", _path(account_id), body=body), as_json=as_json)


def _read(file: IO[str] | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        found = json.load(file)
    except ValueError as error:
        raise click.BadParameter("this is not JSON", param_hint="--credentials") from error
    if not isinstance(found, dict):
        raise click.BadParameter("this is not a JSON object", param_hint="--credentials")
    return found


@accounts.command("list")
@json_option
def list_accounts(as_json: bool) -> None:
    """List the accounts of the key's mode, newest first."""
    rows = Api().pages(_ACCOUNTS, limit=_PAGE)
    print_rows(rows, ("id", "provider", "mode", "name", "external_id", "status"), as_json=as_json)


@accounts.command("delete")
@click.argument("account_id")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def delete_account(account_id: str, yes: bool, as_json: bool) -> None:
    """Disconnect an account (acc_…): hidden with its senders and templates; messages and late receipts stay."""
    if not yes and not click.confirm(f"Disconnect {account_id}? Nothing is sent by its senders any more.", err=True):
        raise Failed("nothing was deleted", next_step="run it again with --yes")
    print_fields(Api().call("DELETE", _path(account_id)), as_json=as_json)


def _path(account_id: str) -> str:
    return f"{_ACCOUNTS}/{quote(account_id, safe='')}"


COMMANDS = (accounts,)
