"""Makes management calls to the Graph API: a single call, or all pages of a list."""

from functools import lru_cache
from typing import Any, Literal, assert_never
from urllib.parse import urlencode

import msgspec

from messaging.adapters.http.client import NoReply, NotSent, ProviderHttp, Reply, Withheld
from messaging.adapters.http.transport import Headers
from messaging.adapters.providers.error_codes import Kind
from messaging.adapters.providers.whatsapp_cloud import credentials
from messaging.adapters.providers.whatsapp_cloud.wire import verdicts
from messaging.adapters.providers.whatsapp_cloud.wire.versions import DEFAULT_VERSION, is_version
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.domain.shared.mode import Mode

_PAGE = 100
# The largest number of pages read: twice what 6 000 templates fill, Meta's highest allowance per account. A list with
# more pages does not end.
_MOST_PAGES = 120
_LIST_LIMIT = 4 * 1024 * 1024


class GraphCalls:
    """Calls the sandbox for connections in test mode, and Meta for those in live mode."""

    def __init__(self, *, http: ProviderHttp, live_base_url: str, sandbox_base_url: str, graph_version: str) -> None:
        if not is_version(graph_version):
            raise ValueError(f"Not a Graph API version: {graph_version!r}. Write it like {DEFAULT_VERSION}.")
        self._http = http
        self._roots = {
            Mode.LIVE: f"{live_base_url.rstrip('/')}/{graph_version}",
            Mode.TEST: f"{sandbox_base_url.rstrip('/')}/{graph_version}",
        }

    def url(self, connection: Connection, id: str, edge: str = "") -> str:
        """The URL of an object at Meta, or of an edge of it. Raises ProviderRefused if `id` is malformed."""
        if not is_id(id):
            raise ProviderRefused("provider_refused", "An id of Meta's is made of digits only; this one is not.")
        return f"{self._roots[connection.mode]}/{id}/{edge}".rstrip("/")

    def named(self, connection: Connection, name: Literal["me", "debug_token"]) -> str:
        """The URL of an object that has a name instead of an id."""
        return f"{self._roots[connection.mode]}/{name}"

    async def pages(self, connection: Connection, edge: str, fields: str) -> list[Any]:
        """Every node of an edge of the account. Links to the next page are not followed: they could point anywhere."""
        nodes: list[Any] = []
        after: str | None = None
        for _ in range(_MOST_PAGES):
            query = {"fields": fields, "limit": str(_PAGE)} | ({"after": after} if after else {})
            url = f"{self.url(connection, connection.external_id, edge)}?{urlencode(query)}"
            page = await self.call(connection, "GET", url)
            data = page.get("data")
            nodes += data if isinstance(data, list) else []
            if (after := _next_cursor(page.get("paging"), after)) is None:
                return nodes
        raise ProviderUnavailable("provider_unavailable", f"Meta's list of {edge} does not end.")

    async def call(self, connection: Connection, method: str, url: str, body: bytes = b"") -> dict[str, Any]:
        token = credentials.of(connection.credentials).access_token
        if not fits_a_header(token):
            raise ProviderRefused("provider_refused", "The access token has characters that no token has.")
        exchange = await self._http.request(method, url, headers=headers(token), body=body, reply_limit=_LIST_LIMIT)
        match exchange:
            case Reply():
                return _read_answer(exchange)
            case NotSent(reason=reason) | NoReply(reason=reason):
                raise ProviderUnavailable("provider_unavailable", f"Meta could not be reached: {reason}")
            case Withheld():
                raise AssertionError("management calls need no permission")
            case _:
                assert_never(exchange)


def is_id(text: str) -> bool:
    """Whether `text` is an id of digits only. Anything else, such as `..`, could change the path of a URL."""
    return text.isascii() and text.isdigit()


def fits_a_header(token: str) -> bool:
    return token != "" and token.isascii() and token.isprintable()


@lru_cache(maxsize=2048)
def headers(token: str) -> Headers:
    """The headers of an account's requests; cached, so that they are not built again for each request."""
    return Headers(
        {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
            # Replies have a few hundred bytes; compression would only hide their size.
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
    for_now = (Kind.UNCLEAR, Kind.TRANSIENT, Kind.THROTTLED)
    if (entry.kind in for_now) if entry else (status >= 500 or status == 429):
        return ProviderUnavailable("provider_unavailable", detail)
    return ProviderRefused("provider_refused", detail)
