"""Connects an account until its sender works, step by step over the HTTP API, with every step told."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from messaging.application.ports.providers.descriptor import Provider
from messaging.entrypoints.cli.failures import Failed, say
from messaging.entrypoints.cli.through_api.calling import Api

_ACCOUNTS: Final = "/v1/provider-accounts"
_SENDERS: Final = "/v1/senders"
_PAGE: Final = 100
# What a provider's number that can send is called.
_CONNECTED: Final = "CONNECTED"


class Order(Struct, frozen=True, kw_only=True):
    """The account and sender to connect. Without `sender` it is the account's only one."""

    account: str
    credentials: Mapping[str, Any]
    channel: str
    name: str | None = None
    sender: str | None = None
    address: str | None = None
    per_second: int | None = None
    pin: str | None = None
    override: bool | None = None


class ConnectAccount:
    """The steps at one provider. `page` is how its page in docs/ is called."""

    def __init__(self, provider: Provider, page: str, order: Order, api: Api) -> None:
        self._provider = provider
        self._page = page
        self._order = order
        self._api = api

    def __call__(self) -> Mapping[str, Any]:
        """What is connected: the ids of account and sender, and where webhooks go. Raises Failed."""
        sender = self._verify()
        account = self._store()
        self._subscribe(account)
        added = self._add_sender(account, self._register(account, sender))
        if self._provider.capabilities.reviews_templates:
            self._sync(account)
        say(f"next: {self._first_message()}")
        return {"account": account["id"], "sender": added["id"], "webhook_url": account["webhook_url"]}

    def _verify(self) -> Mapping[str, Any]:
        """Verifies the account at the provider and returns the number, name or address to send from."""
        order = self._order
        body = {"provider": self._provider.name, "external_id": order.account, **order.credentials}
        told = self._api.call("POST", f"{_ACCOUNTS}/verify", body=body)
        for check in told["checks"]:
            say(f"{'ok  ' if check['ok'] else 'FAIL'}  {check['part']}: {check['detail']}")
        if not told["ok"]:
            raise _nothing_stored(next_step=f"mend the failing lines above; see docs/connect-{self._page}.md")
        sender = self._chosen(told["numbers"])
        self._require_sendable(sender)
        return sender

    def _chosen(self, numbers: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        order, option = self._order, sender_option(self._provider)
        if order.sender is not None and not self._provider.sender_id.listed(order.sender):
            return {"external_id": order.sender, "address": order.sender, "name": "", "status": _CONNECTED}
        found = [number for number in numbers if order.sender in (None, number["external_id"])]
        if len(found) == 1:
            (number,) = found
            say(f"ok    number: {number['address'] or number['external_id']} ({number['name']}), {number['status']}")
            return number
        if not numbers:
            raise _nothing_stored("the provider lists no sender of this account", next_step=f"name one with {option}")
        why = "the account has several senders" if found else "the account has no such sender"
        raise _nothing_stored(why, _listed(numbers), next_step=f"name one with {option}")

    def _require_sendable(self, sender: Mapping[str, Any]) -> None:
        if not sender["address"] and self._order.address is None:
            why = "the provider does not tell what its recipients see"
            raise _nothing_stored(why, next_step="give --address with one of its numbers")
        if sender["status"] == _CONNECTED:
            return
        if not self._provider.steps.registers_numbers:
            raise _nothing_stored("it cannot send", next_step="name another, or mend it at the provider")
        if self._order.pin is None:
            raise _nothing_stored("the number is not registered", next_step="give --pin with six digits")

    def _store(self) -> Mapping[str, Any]:
        order, named = self._order, (self._provider.name, self._order.account)
        accounts = self._api.pages(_ACCOUNTS, limit=_PAGE)
        known = next((it for it in accounts if (it["provider"], it["external_id"]) == named), None)
        if known is not None:
            account: Mapping[str, Any] = self._api.call(
                "PATCH", f"{_ACCOUNTS}/{known['id']}", body=dict(order.credentials)
            )
            say(f"ok    {account['id']} has these credentials now")
            return account
        made_up = {name: secrets.token_urlsafe(24) for name in self._provider.steps.chosen - {*order.credentials}}
        new = {"provider": named[0], "external_id": named[1], "name": order.name or self._provider.title}
        account = self._api.call("POST", _ACCOUNTS, body={**new, **order.credentials, **made_up})
        say(f"ok    stored as {account['id']}")
        for name, word in sorted(made_up.items()):
            say(f"      {name.replace('_', ' ')} {word} (keep it: the provider's own settings ask for it)")
        return account

    def _subscribe(self, account: Mapping[str, Any]) -> None:
        subscription = self._provider.steps.subscription
        if subscription is None:
            return
        override = subscription.override if self._order.override is None else self._order.override
        self._api.call("POST", f"{_ACCOUNTS}/{account['id']}/subscribe", body={"override": override})
        where = "delivered there" if override else f"delivered {subscription.otherwise}"
        say(f"ok    webhooks: the account's own URL is {account['webhook_url']}; they are {where}")

    def _register(self, account: Mapping[str, Any], sender: Mapping[str, Any]) -> Mapping[str, Any]:
        if sender["status"] == _CONNECTED:
            return sender
        body = {"phone_number_id": sender["external_id"], "pin": self._order.pin}
        registered: Mapping[str, Any] = self._api.call(
            "POST", f"{_ACCOUNTS}/{account['id']}/register-number", body=body
        )
        say(f"ok    registered: {registered['address']} is {registered['status']}")
        return registered

    def _add_sender(self, account: Mapping[str, Any], wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        order, known = self._order, (account["id"], wanted["external_id"])
        senders = self._api.pages(_SENDERS, limit=_PAGE)
        sender = next((it for it in senders if (it["account_id"], it["external_id"]) == known), None)
        if sender is None:
            address = order.address or wanted["address"]
            body = {
                "account_id": account["id"],
                "channel": order.channel,
                "external_id": wanted["external_id"],
                "address": address,
                "name": wanted["name"] or order.name or address,
                "per_second": order.per_second or wanted.get("per_second"),
            }
            sender = self._api.call("POST", _SENDERS, body=body)
        say(f"ok    sender {sender['id']}: {sender['address']}")
        return dict(sender)

    def _sync(self, account: Mapping[str, Any]) -> None:
        synced = self._api.call("POST", f"{_ACCOUNTS}/{account['id']}/sync-templates")
        known = synced["added"] + synced["changed"] + synced["unchanged"]
        say(f"ok    templates: {known}")

    def _first_message(self) -> str:
        if self._provider.capabilities.reviews_templates:
            return (
                "`app send --to +… --template NAME --check` with one of `GET /v1/templates?status=approved`;"
                f" docs/connect-{self._page}.md"
            )
        return f"`app send --channel {self._order.channel} --to … --check`; docs/connect-{self._page}.md"


def sender_option(provider: Provider) -> str:
    """The option by which a sender is named."""
    return f"--{provider.sender_id.called or 'sender'}"


def _nothing_stored(*why: str, next_step: str) -> Failed:
    return Failed(": ".join(["nothing was stored", *why[:1]]) + "".join(why[1:]), next_step=next_step)


def _listed(numbers: Iterable[Mapping[str, Any]]) -> str:
    return "".join(f"\n  {number['external_id']}  {number['address']}  {number['name']}" for number in numbers)
