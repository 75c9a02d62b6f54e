"""Sends messages through Parrot, and judges its answers."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import msgspec
from msgspec import Struct

from messaging.adapters.http.client import ProviderHttp, Reply, settled
from messaging.adapters.providers.error_codes import DEFAULT_WAIT, refusal
from messaging.adapters.providers.replies import acceptance_unreadable, bounded_wait, incomplete, retry_after
from messaging.application.ports.providers.sending import Connection, NotStarted, Outgoing
from messaging.domain.channels.address import Phone
from messaging.domain.content.content import Text
from messaging.domain.messages.retry import Rejected, Scope, SendResult, Sent, Throttled, Uncertain, Unreachable
from messaging.domain.shared.mode import Mode
from tests.conformance.parrot.adapter import PROVIDER, Credentials
from tests.conformance.parrot.adapter.errors import ERRORS

_LONGEST_ID: Final = 200


class _Accepted(Struct, frozen=True):
    id: str


class _Refused(Struct, frozen=True):
    code: str
    message: str = ""


class _Answer(Struct, frozen=True):
    error: _Refused


_accepted, _answer = msgspec.json.Decoder(_Accepted), msgspec.json.Decoder(_Answer)
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class ParrotUrls(Struct, frozen=True):
    """Base URLs by mode."""

    roots: Mapping[Mode, str]

    def messages(self, connection: Connection, id: str = "") -> str:
        return f"{self.roots[connection.mode]}/v1/messages{f'/{id}' if id else ''}"


def headers(connection: Connection) -> dict[str, str]:
    credentials = connection.credentials
    assert isinstance(credentials, Credentials)
    return {"Authorization": f"Bearer {credentials.api_token}", "Content-Type": "application/json"}


class ParrotGateway:
    """The port `ProviderGateway`."""

    def __init__(self, *, http: ProviderHttp, urls: ParrotUrls, webhooks_url: str) -> None:
        self._http = http
        self._urls = urls
        self._webhooks_url = webhooks_url

    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        if not isinstance(outgoing.content, Text) or not isinstance(outgoing.recipient, Phone):
            return Rejected(code="content_unsupported", reason="Parrot carries text to phone numbers.")
        if not PROVIDER.sender_id.fits(outgoing.sender_external_id):
            return Unreachable(code="sender_id_malformed", reason="The sender is none that Parrot has.")
        body = {
            "from": outgoing.sender_external_id,
            "to": outgoing.recipient.value,
            "text": outgoing.content.body,
            "client_reference": outgoing.reference,
        }
        if outgoing.connection.webhook_path:
            body["callback_url"] = f"{self._webhooks_url}{outgoing.connection.webhook_path}"
        exchange = await self._http.request(
            "POST",
            self._urls.messages(outgoing.connection),
            headers={**headers(outgoing.connection), "Idempotency-Key": outgoing.idempotency_key},
            body=msgspec.json.encode(body),
            may_start=may_start,
        )
        return settled(exchange, judge)


def judge(reply: Reply) -> SendResult:
    if 200 <= reply.status < 300:
        return _judge_success(reply)
    if reply.body is None:
        return incomplete(reply)
    error = read_error(reply.body)
    return _judge_status(reply) if error is None else _judge_error(error, reply)


def _judge_success(reply: Reply) -> SendResult:
    try:
        id = _accepted.decode(reply.body or b"").id
    except _UNREADABLE:
        return acceptance_unreadable(reply, reply.flaw or "not the JSON we expect")
    if not id or len(id) > _LONGEST_ID or not id.isascii():
        return acceptance_unreadable(reply, "it does not name the message")
    return Sent(provider_message_id=id)


def _judge_status(reply: Reply) -> SendResult:
    code, reason = f"http_{reply.status}", f"HTTP {reply.status} without an explanation"
    if reply.status == 429:
        wait = bounded_wait(retry_after(reply.headers)) or DEFAULT_WAIT
        return Throttled(code=code, reason=reason, scope=Scope.ACCOUNT, retry_after=wait, http_status=429)
    return Uncertain(code=code, reason=reason, http_status=reply.status)


def _judge_error(error: _Refused, reply: Reply) -> SendResult:
    meaning = ERRORS.get(error.code)
    told = bounded_wait(retry_after(reply.headers))
    if meaning is not None:
        return refusal(meaning, code=error.code, reason=f"{meaning.title}.", status=reply.status, told=told)
    code, reason = error.code[:_LONGEST_ID], "An error code we do not know."
    if 400 <= reply.status < 500 and reply.status not in (408, 429):
        return Rejected(code=code, reason=reason, http_status=reply.status)
    return Uncertain(code=code, reason=reason, http_status=reply.status)


def read_error(body: bytes) -> _Refused | None:
    try:
        return _answer.decode(body).error
    except _UNREADABLE:
        return None
