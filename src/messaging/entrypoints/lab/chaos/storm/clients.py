"""The customers' systems in a storm: they submit, and repeat with the same key until they are answered."""

import asyncio
import hashlib
import time
from typing import Any, Final

import aiohttp
import msgspec
from msgspec import Struct

from messaging.entrypoints.lab.chaos.storm.pace import Pace
from messaging.entrypoints.lab.chaos.storm.plan import Call, Planned, Storm, canary
from messaging.entrypoints.lab.dev.onboarding import Business

_CONCURRENCY: Final = 48
_TIMEOUT: Final = aiohttp.ClientTimeout(total=8)
_PAUSE: Final = 0.3
_PATIENCE_SECONDS: Final = 150.0
_COME_BACK: Final = frozenset({409, 429, 502, 503, 504})


class Answer(Struct, frozen=True, kw_only=True):
    """A final answer to a call. `ids` are the accepted messages in the order of the request, None for a refused one."""

    key: str
    status: int
    digest: str
    ids: tuple[str | None, ...]
    at: float


class Clients:
    """The customers' systems. `answers` are all final answers, also those to repetitions: the list of 202s."""

    def __init__(self, *, api: str, businesses: tuple[Business, ...], storm: Storm, pace: Pace) -> None:
        self.answers: list[Answer] = []
        self.unanswered: list[str] = []
        self.tries: dict[str, int] = {}
        self._api = api
        self._businesses = businesses
        self._storm = storm
        self._pace = pace
        self._concurrency = asyncio.Semaphore(_CONCURRENCY)

    async def run(self) -> None:
        """Makes the calls, and returns when each was answered or given up."""
        connector = aiohttp.TCPConnector(limit=_CONCURRENCY * 2)
        async with (
            aiohttp.ClientSession(
                self._api, connector=connector, timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar()
            ) as self._session,
            asyncio.TaskGroup() as group,
        ):
            for call in self._storm.calls:
                await self._pace.until(call.at)
                await self._concurrency.acquire()
                group.create_task(self._see_through(call))

    async def _see_through(self, call: Call) -> None:
        try:
            await asyncio.gather(*(self._submit(call) for _ in range(1 + call.twin)))
        finally:
            self._concurrency.release()
        if call.repeat_after is not None:
            await asyncio.sleep(call.repeat_after)
            await self._submit(call)

    async def _submit(self, call: Call) -> None:
        business = self._businesses[call.tenant]
        path = "/v1/messages/batch" if call.batch else "/v1/messages"
        body = msgspec.json.encode(self._body(call, business))
        headers = {
            "Authorization": f"Bearer {business.api_key}",
            "Idempotency-Key": call.key,
            "Content-Type": "application/json",
        }
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < give_up_at:
            outcome = await self._try(path, body, headers)
            self.tries[outcome[0]] = self.tries.get(outcome[0], 0) + 1
            if (answer := outcome[1]) is not None:
                status, raw = answer
                digest = hashlib.sha256(raw).hexdigest()
                ids = _ids(call, raw) if status == 202 else ()
                self.answers.append(Answer(key=call.key, status=status, digest=digest, ids=ids, at=time.time()))
                return
            await asyncio.sleep(_PAUSE)
        self.unanswered.append(call.key)

    async def _try(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[str, tuple[int, bytes] | None]:
        try:
            async with self._session.post(path, data=body, headers=headers) as answer:
                raw = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return type(error).__name__, None
        if answer.status in _COME_BACK:
            return str(answer.status), None
        return str(answer.status), (answer.status, raw)

    def _body(self, call: Call, business: Business) -> dict[str, Any]:
        mark = canary(self._storm.seed, call.tenant)
        messages = [_message(planned, business, mark) for planned in call.messages]
        return {"messages": messages} if call.batch else messages[0]


def _message(planned: Planned, business: Business, mark: str) -> dict[str, Any]:
    return {
        "to": planned.to,
        "channel": planned.channel,
        "content": _content(planned.channel, f"content{mark}"),
        "from": _sender(planned, business),
        "reference": planned.reference,
        "on_unknown": "resend" if planned.resend else "hold",
    }


def _content(channel: str, marked: str) -> dict[str, Any]:
    match channel:
        case "sms":
            return {"type": "text", "body": f"Hi {marked}, order A-1042 has come."}
        case "email":
            return {"type": "email", "subject": "Order A-1042", "text": f"Hi {marked}, it has come."}
        case _:
            variables = {"first_name": marked, "order_number": "A-1042"}
            return {"type": "template", "name": "order_delivered", "language": "en_US", "variables": variables}


def _sender(planned: Planned, business: Business) -> str:
    others = {other.channel: other.sender for other in business.others}
    return others.get(planned.channel) or business.senders[planned.sender]


def _ids(call: Call, raw: bytes) -> tuple[str | None, ...]:
    answer = msgspec.json.decode(raw)
    if not call.batch:
        return (answer["id"],)
    return tuple(item["message"]["id"] if item["status"] == "accepted" else None for item in answer["data"])
