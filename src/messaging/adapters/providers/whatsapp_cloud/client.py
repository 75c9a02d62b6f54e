"""How do we hand a message to Meta, and keep templates and numbers in step with it?"""

from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any, assert_never
from urllib.parse import urlencode

import msgspec

from messaging.adapters.providers.http import NoReply, NotSent, ProviderHttp, Reply, Withheld
from messaging.adapters.providers.transport import Headers
from messaging.adapters.providers.whatsapp_cloud import definitions, errors, verdicts
from messaging.adapters.providers.whatsapp_cloud.bodies import send_body
from messaging.adapters.providers.whatsapp_cloud.history import read_history
from messaging.adapters.providers.whatsapp_cloud.versions import DEFAULT_VERSION, is_version
from messaging.application.ports.providers import (
    Connection,
    NotStarted,
    Outgoing,
    ProviderNumber,
    ProviderRefused,
    ProviderTemplate,
    ProviderUnavailable,
)
from messaging.domain.messages.receipts import Receipt
from messaging.domain.messages.retry import SendResult, Uncertain, Unreachable
from messaging.domain.shared.mode import Mode
from messaging.domain.templates.template import Template

_REFERENCE_BYTES = 256
_TEMPLATES, _NUMBERS = "message_templates", "phone_numbers"
_PAGE = 100
# 6 000 templates is Meta's highest allowance per account; twice that many pages means that paging does not end.
_MOST_PAGES = 120
_LIST_LIMIT = 4 * 1024 * 1024
_TEMPLATE_FIELDS = "id,name,language,status,category,parameter_format,components,quality_score,rejected_reason"
_HISTORY_FIELDS = "id,message_id,events{delivery_status,timestamp,error_description}"
_NUMBER_FIELDS = "id,display_phone_number,verified_name,throughput,is_on_biz_app,platform_type"
# Messages per second, in and out together (Meta, "Throughput", 2026). Numbers shared with the WhatsApp Business app
# are fixed at the last.
_STANDARD, _HIGH, _SHARED = 80, 1000, 20


class WhatsAppCloudGateway:
    """The Cloud API behind `ProviderGateway`; test connections go to the sandbox, live ones to Meta."""

    def __init__(
        self,
        *,
        http: ProviderHttp,
        live_base_url: str,
        sandbox_base_url: str,
        graph_version: str = DEFAULT_VERSION,
        message_history: bool = False,
    ) -> None:
        if not is_version(graph_version):
            raise ValueError(f"Not a Graph API version: {graph_version!r}. Write it like {DEFAULT_VERSION}.")
        self._http = http
        self._message_history = message_history
        self._roots = {
            Mode.LIVE: f"{live_base_url.rstrip('/')}/{graph_version}",
            Mode.TEST: f"{sandbox_base_url.rstrip('/')}/{graph_version}",
        }

    async def send(self, outgoing: Outgoing, *, may_start: Callable[[], Awaitable[bool]]) -> SendResult | NotStarted:
        """See `ProviderGateway.send`. `may_start` is not awaited when the message cannot even be written down."""
        token = outgoing.connection.credentials.access_token
        if not _fits_a_header(token):
            return Unreachable(code="credential_malformed", reason="The access token holds characters no token has.")
        if not _is_id(outgoing.sender_external_id):
            return Unreachable(code="sender_id_malformed", reason="The sender's id at Meta is not made of digits only.")
        if not outgoing.reference.isascii() or len(outgoing.reference) > _REFERENCE_BYTES:
            raise ValueError("a reference is at most 256 ASCII characters")
        exchange = await self._http.request(
            "POST",
            self._url(outgoing.connection, outgoing.sender_external_id, "messages"),
            headers=_headers(token),
            body=send_body(outgoing),
            may_start=may_start,
        )
        match exchange:
            case Reply():
                return verdicts.judge(exchange)
            case NotSent(code=code, reason=reason):
                return Unreachable(code=code, reason=reason)
            case NoReply(reason=reason):
                return Uncertain(code="no_reply", reason=f"The request was sent, but no answer came: {reason}")
            case Withheld():
                return NotStarted()
            case _:
                assert_never(exchange)

    @property
    def has_history(self) -> bool:
        return self._message_history

    async def history(
        self, connection: Connection, sender_external_id: str, provider_message_id: str
    ) -> Sequence[Receipt]:
        """Meta's `message_history`, which stands in its OpenAPI description only (2026): hence off unless switched on.

        It names neither the recipient nor what we asked to be echoed, so it can tell of messages with a known id only.
        """
        query = urlencode({"message_id": provider_message_id, "fields": _HISTORY_FIELDS})
        url = f"{self._url(connection, sender_external_id, 'message_history')}?{query}"
        return read_history(await self._manage(connection, "GET", url), sender_external_id, provider_message_id)

    async def list_templates(self, connection: Connection) -> Sequence[ProviderTemplate]:
        nodes = await self._list(connection, _TEMPLATES, _TEMPLATE_FIELDS)
        return [template for node in nodes if (template := definitions.read_template(node)) is not None]

    async def create_template(self, connection: Connection, template: Template) -> ProviderTemplate:
        body = msgspec.json.encode(definitions.creation_body(template))
        created = await self._manage(
            connection, "POST", self._url(connection, connection.external_id, _TEMPLATES), body
        )
        category, status = created.get("category"), created.get("status")
        answer = {
            "id": created.get("id"),
            "name": template.name,
            "language": template.language,
            "category": category if isinstance(category, str) else template.category.value,
            "status": status if isinstance(status, str) else "PENDING",
        }
        if (read := definitions.read_template(answer)) is None:
            raise ProviderUnavailable("provider_unavailable", "Meta took the template but named no id for it.")
        return msgspec.structs.replace(
            read, parameter_format=template.parameter_format, components=template.components, unsupported=()
        )

    async def list_numbers(self, connection: Connection) -> Sequence[ProviderNumber]:
        nodes = await self._list(connection, _NUMBERS, _NUMBER_FIELDS)
        return [number for node in nodes if (number := _read_number(node)) is not None]

    def _url(self, connection: Connection, id: str, edge: str) -> str:
        if not _is_id(id):
            raise ProviderRefused("provider_refused", "An id of Meta's is made of digits only; this one is not.")
        return f"{self._roots[connection.mode]}/{id}/{edge}"

    async def _list(self, connection: Connection, edge: str, fields: str) -> list[Any]:
        """Every node of an edge of the account. The `next` link is not followed: it could point anywhere."""
        nodes: list[Any] = []
        after: str | None = None
        for _ in range(_MOST_PAGES):
            query = {"fields": fields, "limit": str(_PAGE)} | ({"after": after} if after else {})
            url = f"{self._url(connection, connection.external_id, edge)}?{urlencode(query)}"
            page = await self._manage(connection, "GET", url)
            data = page.get("data")
            nodes += data if isinstance(data, list) else []
            if (after := _next_cursor(page.get("paging"), after)) is None:
                return nodes
        raise ProviderUnavailable("provider_unavailable", f"Meta's list of {edge} does not end.")

    async def _manage(self, connection: Connection, method: str, url: str, body: bytes = b"") -> dict[str, Any]:
        token = connection.credentials.access_token
        if not _fits_a_header(token):
            raise ProviderRefused("provider_refused", "The access token holds characters no token has.")
        exchange = await self._http.request(method, url, headers=_headers(token), body=body, reply_limit=_LIST_LIMIT)
        match exchange:
            case Reply():
                return _read_answer(exchange)
            case NotSent(reason=reason) | NoReply(reason=reason):
                raise ProviderUnavailable("provider_unavailable", f"Meta could not be reached: {reason}")
            case Withheld():
                raise AssertionError("management calls ask nobody")
            case _:
                assert_never(exchange)


def _is_id(text: str) -> bool:
    """Anything else would be read as another path, such as `..`."""
    return text.isascii() and text.isdigit()


def _fits_a_header(token: str) -> bool:
    return token != "" and token.isascii() and token.isprintable()


@lru_cache(maxsize=2048)
def _headers(token: str) -> Headers:
    """The same for all requests of an account, so that they need not be read anew for each."""
    return Headers(
        {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            # Replies are a few hundred bytes; compressed ones would only hide their size.
            "Accept-Encoding": "identity",
            "User-Agent": "messaging",
        }
    )


def _next_cursor(paging: Any, current: str | None) -> str | None:
    """The cursor of the next page, or None on the last one."""
    if not isinstance(paging, dict) or not paging.get("next"):
        return None
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, dict) else None
    return after if isinstance(after, str) and after and after != current else None


def _read_answer(reply: Reply) -> dict[str, Any]:
    if reply.body is None:
        raise ProviderUnavailable("provider_unavailable", f"Meta's answer was incomplete: {reply.flaw}")
    if 200 <= reply.status < 300:
        try:
            answer = msgspec.json.decode(reply.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise ProviderUnavailable("provider_unavailable", "Meta's answer is not JSON.") from error
        if isinstance(answer, dict):
            return answer
        raise ProviderUnavailable("provider_unavailable", "Meta's answer is not a JSON object.")
    raise _refusal(reply.status, reply.body)


def _refusal(status: int, body: bytes) -> ProviderRefused | ProviderUnavailable:
    error = verdicts.read_error(body)
    if error is None:
        return ProviderUnavailable("provider_unavailable", f"Meta answered HTTP {status} without an explanation.")
    entry = error.entry()
    parts = (f"Error {error.code}:", f"{entry.title}." if entry else "", error.reason, entry.advice if entry else "")
    detail = " ".join(part for part in parts if part)
    for_now = (errors.Kind.UNCLEAR, errors.Kind.TRANSIENT, errors.Kind.THROTTLED)
    if (entry.kind in for_now) if entry else (status >= 500 or status == 429):
        return ProviderUnavailable("provider_unavailable", detail)
    return ProviderRefused("provider_refused", detail)


def _read_number(node: Any) -> ProviderNumber | None:
    if not isinstance(node, dict) or not node.get("id"):
        return None
    digits = "".join(c for c in str(node.get("display_phone_number") or "") if c in "0123456789")
    name = node.get("verified_name")
    return ProviderNumber(
        external_id=str(node["id"]),
        address=f"+{digits}" if digits else "",
        name=name if isinstance(name, str) else "",
        per_second=_throughput(node),
    )


def _throughput(node: dict[str, Any]) -> int:
    if node.get("is_on_biz_app") is True and node.get("platform_type") == "CLOUD_API":
        return _SHARED
    throughput = node.get("throughput")
    level = throughput.get("level") if isinstance(throughput, dict) else None
    return _HIGH if level == "HIGH" else _STANDARD
