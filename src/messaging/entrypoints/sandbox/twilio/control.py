"""The control API's endpoints for Twilio: accounts, recipients, and what people write."""

import msgspec

from messaging.entrypoints.sandbox.core.control import Handler
from messaging.entrypoints.sandbox.core.fates.outcomes import MAGIC
from messaging.entrypoints.sandbox.core.wire import Reply, Request, json_reply
from messaging.entrypoints.sandbox.twilio.accounts import Account, Accounts
from messaging.entrypoints.sandbox.twilio.recipients import OUTCOMES
from messaging.entrypoints.sandbox.twilio.webhooks.inbound import Inbound, InboundSpec


class TwilioControl:
    """Finds the endpoint of a request by its method and path, which begins with `_control/twilio`."""

    def __init__(self, accounts: Accounts, inbound: Inbound) -> None:
        self._accounts = accounts
        self._inbound = inbound
        self._routes: dict[tuple[str, str], Handler] = {
            ("GET", "_control/twilio/accounts"): self._list_accounts,
            ("POST", "_control/twilio/accounts"): self._put_account,
            ("GET", "_control/twilio/recipients"): self._list_recipients,
            ("POST", "_control/twilio/inbound"): self._write_inbound,
        }

    def __call__(self, request: Request) -> Handler | None:
        return self._routes.get((request.method, "/".join(request.parts)))

    async def _list_accounts(self, request: Request) -> Reply:
        return json_reply(200, {"data": [_without_secrets(account) for account in self._accounts]})

    async def _put_account(self, request: Request) -> Reply:
        account = self._accounts.put(msgspec.json.decode(request.body, type=Account))
        return json_reply(200, _without_secrets(account))

    async def _list_recipients(self, request: Request) -> Reply:
        data = [
            {"ends_with": f"{MAGIC}{digits:02d}", "outcome": outcome.summary} for digits, outcome in OUTCOMES.items()
        ]
        return json_reply(200, {"data": data})

    async def _write_inbound(self, request: Request) -> Reply:
        sid = await self._inbound.add(msgspec.json.decode(request.body, type=InboundSpec))
        return json_reply(202, {"message_sid": sid})


def _without_secrets(account: Account) -> dict[str, object]:
    hidden = {"auth_token": "***", "secondary_auth_token": "***", "api_keys": dict.fromkeys(account.api_keys, "***")}
    return {**msgspec.to_builtins(account), **hidden}
