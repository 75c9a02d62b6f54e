"""Who calls the API in these tests: the platform's administrator, and shops that an administrator has set up."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from messaging.domain.shared.ids import Prefix, SenderId, parse_typeid

_numbers = itertools.count(1)

Json = dict[str, Any]
Holds = Callable[[httpx.Response], bool]


class Caller:
    """An HTTP client with one API key."""

    def __init__(self, client: httpx.AsyncClient, key: str) -> None:
        self._client = client
        self.key = key

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | options.pop("headers", {})
        return await self._client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.request("POST", path, **({"json": body} if body is not None else {}), **options)

    async def patch(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return await self.request("PATCH", path, json=body, **options)

    async def put(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return await self.request("PUT", path, json=body, **options)

    async def get_until(self, path: str, holds: Holds) -> None:
        """Ask again until the answer satisfies `holds`; fails the test when it does not within a minute."""
        await _until(lambda: self.get(path), holds)

    async def post_until(self, path: str, body: Json, holds: Holds) -> None:
        await _until(lambda: self.post(path, body), holds)


async def _until(ask: Callable[[], Awaitable[httpx.Response]], holds: Holds) -> None:
    ends = time.monotonic() + 60
    while not holds(response := await ask()):
        assert time.monotonic() < ends, response.text
        # An answer from memory comes without giving way to anybody, and the condition needs somebody else to come true.
        await asyncio.sleep(0.02)


class Shop(Caller):
    """A tenant with a WhatsApp account in the sandbox, one sender and one approved template."""

    def __init__(self, client: httpx.AsyncClient, key: str, tenant: str) -> None:
        super().__init__(client, key)
        self.tenant = tenant
        self.account = ""
        self.sender = ""
        self.template = ""
        self.number = 0

    @property
    def sender_id(self) -> SenderId:
        found = parse_typeid(Prefix.SENDER, self.sender)
        assert found is not None
        return SenderId(found)

    def message(self, **changes: Any) -> Json:
        """A message this shop may send."""
        return {
            "to": "+14155550199",
            "channel": "whatsapp",
            "content": {
                "type": "template",
                "name": "order_update",
                "language": "en_US",
                "variables": {"1": "Ana", "2": "A-1042"},
            },
        } | changes

    async def sent(self, **changes: Any) -> str:
        """The id of a message the API has accepted."""
        response = await self.post("/v1/messages", self.message(**changes))
        assert response.status_code == 202, response.text
        return str(response.json()["id"])


class Platform(Caller):
    """The administrator, and the way to set up shops."""

    def __init__(self, client: httpx.AsyncClient, key: str, sandbox: httpx.AsyncClient) -> None:
        super().__init__(client, key)
        self.client = client
        self._sandbox = sandbox

    async def tenant(self, name: str = "Acme") -> str:
        response = await self.post("/admin/v1/tenants", {"name": name})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    async def issue_key(self, tenant: str, mode: str = "test", role: str = "owner") -> Json:
        body = {"name": "backend", "mode": mode, "role": role}
        response = await self.post(f"/admin/v1/tenants/{tenant}/keys", body)
        assert response.status_code == 201, response.text
        return dict(response.json())

    async def bare_shop(self, mode: str = "test", tenant: str | None = None) -> Shop:
        """A tenant with a key and nothing else."""
        tenant = tenant or await self.tenant()
        return Shop(self.client, (await self.issue_key(tenant, mode))["key"], tenant)

    async def shop(self, mode: str = "test", tenant: str | None = None) -> Shop:
        shop = await self.bare_shop(mode, tenant)
        shop.number = number = await self.open_business()
        account = await shop.post("/v1/provider-accounts", account_body(number))
        assert account.status_code == 201, account.text
        shop.account = account.json()["id"]
        sender = await shop.post("/v1/senders", sender_body(shop.account, number))
        assert sender.status_code == 201, sender.text
        shop.sender = sender.json()["id"]
        await self._approved_template(shop)
        await shop.post_until("/v1/messages/check", shop.message(), lambda response: response.json()["would_send"])
        return shop

    async def at_provider(self, method: str, path: str, number: int) -> None:
        """Something done to a business directly at the provider, behind our back."""
        headers = {"Authorization": f"Bearer token-{number}"}
        response = await self._sandbox.request(method, path.format(waba=waba_id(number)), headers=headers)
        assert response.is_success, response.text

    async def open_business(self, number: int | None = None, **changes: Any) -> int:
        """A business at the provider, or another state of one; returns its number."""
        number = next(_numbers) if number is None else number
        business = {
            "waba_id": waba_id(number),
            "access_token": f"token-{number}",
            "app_secret": f"secret-{number}",
            "phone_numbers": [{"id": phone_id(number), "display_phone_number": f"+1415556{number:04}"}],
        }
        response = await self._sandbox.post("/_control/accounts", json=business | changes)
        assert response.is_success, response.text
        return number

    async def _approved_template(self, shop: Shop) -> None:
        created = await shop.post("/v1/templates", template_body(shop.account))
        assert created.status_code == 201, created.text
        shop.template = created.json()["id"]
        ends = time.monotonic() + 60
        while (await shop.get(f"/v1/templates/{shop.template}")).json()["status"] != "approved":
            synced = await shop.post(f"/v1/provider-accounts/{shop.account}/sync-templates")
            assert synced.status_code == 200, synced.text
            assert time.monotonic() < ends, "the sandbox never approved the template"


def waba_id(number: int) -> str:
    return f"90{number:06}"


def phone_id(number: int) -> str:
    return f"80{number:06}"


def account_body(number: int = 1, **changes: Any) -> Json:
    return {
        "provider": "whatsapp_cloud",
        "name": "Main",
        "external_id": waba_id(number),
        "access_token": f"token-{number}",
        "app_secrets": [f"secret-{number}"],
        "verify_token": "hello",
    } | changes


def sender_body(account: str, number: int = 1, **changes: Any) -> Json:
    return {
        "account_id": account,
        "channel": "whatsapp",
        "external_id": phone_id(number),
        "address": f"+1415556{number:04}",
        "name": "Orders",
    } | changes


def own_template_body(**changes: Any) -> Json:
    """A template for SMS that greets one person."""
    content = {
        "default_language": "en",
        "variants": {"en": {"body": "Hi {{ name }}, it has shipped."}, "de": {"body": "Hallo {{ name }}!"}},
        "parameters": [{"name": "name"}],
    }
    body = {"name": "order_shipped", "channel": "sms", "category": "utility", "content": content}
    return body | changes


def template_body(account: str, **changes: Any) -> Json:
    return {
        "account_id": account,
        "name": "order_update",
        "language": "en_US",
        "category": "utility",
        "components": {
            "body": "Hello {{1}}, your order {{2}} has shipped today.",
            "examples": {"1": "Ana", "2": "A-1042"},
        },
    } | changes
