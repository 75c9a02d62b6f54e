"""Connects a WhatsApp account until its sender works, over the HTTP API: `app connect whatsapp`."""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

import rich_click as click
from msgspec import Struct

from messaging.entrypoints.cli.failures import Failed, say
from messaging.entrypoints.cli.printing import json_option, print_fields
from messaging.entrypoints.cli.through_api.calling import Api

_PROVIDER: Final = "whatsapp_cloud"
_ACCOUNTS: Final = "/v1/provider-accounts"
_PAGE: Final = 100


class Order(Struct, frozen=True, kw_only=True):
    """The account and number to connect. Without `phone_number_id` it is the account's only number."""

    waba_id: str
    access_token: str
    app_secret: str
    verify_token: str | None
    name: str
    phone_number_id: str | None
    pin: str | None
    override: bool


@click.group()
def connect() -> None:
    """Connect an account at a provider, step by step, with every step told."""


@connect.command("whatsapp")
@click.option("--waba-id", required=True, help="Id of the WhatsApp Business Account.")
@click.option("--phone-number-id", help="Id of the number to send from; default: the account's only one.")
@click.option("--name", default="WhatsApp", show_default=True, help="A name for people.")
@click.option("--pin", help="Six digits to register the number with, if it is not registered.")
@click.option("--override/--no-override", default=True, show_default=True, help="Webhooks to the account's own URL.")
@click.option("--access-token", envvar="WHATSAPP_ACCESS_TOKEN", prompt=True, hide_input=True, help="Of a system user.")
@click.option("--app-secret", envvar="WHATSAPP_APP_SECRET", prompt=True, hide_input=True, help="Of the token's app.")
@click.option("--verify-token", envvar="WHATSAPP_VERIFY_TOKEN", help="Default: a new one, which is told.")
@json_option
def connect_whatsapp(as_json: bool, **given: Any) -> None:
    """Check an account at Meta, store it, have its webhooks delivered, register its number, fetch its templates.

    Secrets come from WHATSAPP_ACCESS_TOKEN and WHATSAPP_APP_SECRET, or are asked for. Nothing is stored before Meta has
    confirmed token, scopes, ids and app secret. What was interrupted is taken up by the same command.
    """
    order, api = Order(**given), Api()
    number = _verify(api, order)
    account = _store(api, order)
    _subscribe(api, account, order)
    number = _register(api, account, order, number)
    sender = _add_sender(api, account, number)
    _sync(api, account)
    say("next: `app send --to +… --template NAME --check` with one of `GET /v1/templates?status=approved`")
    print_fields(
        {"account": account["id"], "sender": sender["id"], "webhook_url": account["webhook_url"]}, as_json=as_json
    )


def _verify(api: Api, order: Order) -> Mapping[str, Any]:
    """Verifies the account at the provider and returns the number to send from."""
    body = {
        "provider": _PROVIDER,
        "external_id": order.waba_id,
        "access_token": order.access_token,
        "app_secrets": [order.app_secret],
    }
    told = api.call("POST", f"{_ACCOUNTS}/verify", body=body)
    for check in told["checks"]:
        say(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['part']}: {check['detail']}")
    if not told["ok"]:
        raise Failed("nothing was stored", next_step="mend the failing lines above; see docs/connect-whatsapp.md")
    number = _chosen(told["numbers"], order.phone_number_id)
    say(f"ok    number: {number['address']} ({number['name']}), {number['status']}")
    if number["status"] != "CONNECTED" and order.pin is None:
        raise Failed("nothing was stored: the number is not registered", next_step="give --pin with six digits")
    return number


def _chosen(numbers: list[Mapping[str, Any]], wanted: str | None) -> Mapping[str, Any]:
    found = [number for number in numbers if wanted in (None, number["external_id"])]
    if len(found) == 1:
        return found[0]
    listed = "\n".join(f"  {number['external_id']}  {number['address']}  {number['name']}" for number in numbers)
    why = "the account has several numbers" if found else "the account has no such number"
    raise Failed(f"nothing was stored: {why}\n{listed}".rstrip(), next_step="name one with --phone-number-id")


def _store(api: Api, order: Order) -> Mapping[str, Any]:
    known = next((a for a in _accounts(api) if (a["provider"], a["external_id"]) == (_PROVIDER, order.waba_id)), None)
    credentials = {"access_token": order.access_token, "app_secrets": [order.app_secret]}
    verify_token = order.verify_token or (None if known else secrets.token_urlsafe(24))
    if verify_token is not None:
        credentials["verify_token"] = verify_token
    if known is None:
        body = {"provider": _PROVIDER, "name": order.name, "external_id": order.waba_id, **credentials}
        account: Mapping[str, Any] = api.call("POST", _ACCOUNTS, body=body)
        say(f"ok    stored as {account['id']}")
    else:
        account = api.call("PATCH", f"{_ACCOUNTS}/{known['id']}", body=credentials)
        say(f"ok    {account['id']} has these credentials now")
    if verify_token is not None and order.verify_token is None:
        say(f"      verify token {verify_token} (keep it: the app's own webhook settings ask for it)")
    return account


def _accounts(api: Api) -> Iterator[Mapping[str, Any]]:
    yield from api.pages(_ACCOUNTS, limit=_PAGE)


def _subscribe(api: Api, account: Mapping[str, Any], order: Order) -> None:
    api.call("POST", f"{_ACCOUNTS}/{account['id']}/subscribe", body={"override": order.override})
    where = f"delivered to {account['webhook_url']}" if order.override else "delivered where the app's settings say"
    say(f"ok    webhooks: {where}")


def _register(api: Api, account: Mapping[str, Any], order: Order, number: Mapping[str, Any]) -> Mapping[str, Any]:
    if order.pin is None or number["status"] == "CONNECTED":
        return number
    body = {"phone_number_id": number["external_id"], "pin": order.pin}
    registered: Mapping[str, Any] = api.call("POST", f"{_ACCOUNTS}/{account['id']}/register-number", body=body)
    say(f"ok    registered: {registered['address']} is {registered['status']}")
    return registered


def _add_sender(api: Api, account: Mapping[str, Any], number: Mapping[str, Any]) -> Mapping[str, Any]:
    known = (account["id"], number["external_id"])
    senders = api.pages("/v1/senders", limit=_PAGE)
    sender = next((it for it in senders if (it["account_id"], it["external_id"]) == known), None)
    if sender is None:
        body = {
            "account_id": account["id"],
            "channel": "whatsapp",
            "external_id": number["external_id"],
            "address": number["address"],
            "name": number["name"] or number["address"],
            "per_second": number["per_second"],
        }
        sender = api.call("POST", "/v1/senders", body=body)
    say(f"ok    sender {sender['id']}: {sender['address']}")
    return dict(sender)


def _sync(api: Api, account: Mapping[str, Any]) -> None:
    synced = api.call("POST", f"{_ACCOUNTS}/{account['id']}/sync-templates")
    known = synced["added"] + synced["changed"] + synced["unchanged"]
    say(f"ok    templates: {known}")


COMMANDS = (connect,)
