"""What a test's webhook endpoint saw: every webhook as it came, checked against its signature."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

Json = dict[str, Any]


class Webhook(msgspec.Struct, frozen=True):
    """One POST that arrived."""

    body: bytes
    signature: str

    def is_signed_with(self, app_secret: str) -> bool:
        expected = "sha256=" + hmac.new(app_secret.encode(), self.body, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, self.signature)

    def changes(self) -> list[Json]:
        entries = msgspec.json.decode(self.body)["entry"]
        return [change for entry in entries for change in entry["changes"]]


class Inbox:
    """Webhooks of one account, in order of arrival."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.webhooks: list[Webhook] = []
        self.answers: list[int] = []
        """Statuses to answer the next POSTs with; 200 when used up."""
        self.verify_token = "verify-me"
        self._changed = asyncio.Condition()

    def values(self, field: str) -> list[Json]:
        changes = [change for webhook in self.webhooks for change in webhook.changes()]
        return [change["value"] for change in changes if change["field"] == field]

    def statuses(self, message_id: str) -> list[Json]:
        listed = [status for value in self.values("messages") for status in value.get("statuses", ())]
        return [status for status in listed if status["id"] == message_id]

    def messages(self) -> list[Json]:
        return [message for value in self.values("messages") for message in value.get("messages", ())]

    async def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    async def statuses_of(self, message_id: str, count: int) -> list[Json]:
        await self.until(lambda: len(self.statuses(message_id)) >= count)
        return self.statuses(message_id)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        answer = self.answers.pop(0) if self.answers else 200
        async with self._changed:
            self.webhooks.append(Webhook(body, request.headers["x-hub-signature-256"]))
            self._changed.notify_all()
        return web.Response(status=answer)

    async def shake_hands(self, request: web.Request) -> web.Response:
        if request.query.get("hub.verify_token") != self.verify_token:
            return web.Response(status=403)
        return web.Response(text=request.query["hub.challenge"])


class Receiver:
    """A webhook server with one inbox per path."""

    def __init__(self) -> None:
        self._inboxes: dict[str, Inbox] = {}
        self._runner: web.AppRunner | None = None
        self._base = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/hooks/{name}", self._post)
        app.router.add_get("/hooks/{name}", self._get)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self._base = f"http://{host}:{port}"

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def inbox(self, name: str) -> Inbox:
        return self._inboxes.setdefault(name, Inbox(f"{self._base}/hooks/{name}"))

    async def _post(self, request: web.Request) -> web.Response:
        return await self._inboxes[request.match_info["name"]].take(request)

    async def _get(self, request: web.Request) -> web.Response:
        return await self._inboxes[request.match_info["name"]].shake_hands(request)
