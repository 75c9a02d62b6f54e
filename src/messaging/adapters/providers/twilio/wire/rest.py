"""Makes calls to Twilio's REST API other than sends: a single call, or the pages of a list."""

import base64
from collections.abc import AsyncIterator, Mapping
from functools import lru_cache
from typing import assert_never
from urllib.parse import urlencode

import msgspec

from messaging.adapters.http.client import NoReply, NotSent, ProviderHttp, Reply, Withheld
from messaging.adapters.http.transport import Headers
from messaging.adapters.providers.error_codes import Kind
from messaging.adapters.providers.twilio import credentials
from messaging.adapters.providers.twilio.wire import errors, verdicts
from messaging.adapters.providers.twilio.wire.fields import Json, mapping, mappings, text
from messaging.application.ports.providers.outcomes import ProviderRefused, ProviderUnavailable
from messaging.application.ports.providers.sending import Connection
from messaging.domain.shared.mode import Mode

VERSION = "2010-04-01"
_PAGE = 100
_LIST_LIMIT = 4 * 1024 * 1024
_FOR_NOW = frozenset({Kind.UNCLEAR, Kind.TRANSIENT, Kind.THROTTLED})


class TwilioCalls:
    """Calls the sandbox for connections in test mode, and Twilio for those in live mode."""

    def __init__(
        self, *, http: ProviderHttp, live_base_url: str, live_messaging_url: str, sandbox_base_url: str
    ) -> None:
        self._http = http
        self._roots = {
            Mode.LIVE: f"{live_base_url.rstrip('/')}/{VERSION}/Accounts",
            Mode.TEST: f"{sandbox_base_url.rstrip('/')}/{VERSION}/Accounts",
        }
        self._services = {
            Mode.LIVE: f"{live_messaging_url.rstrip('/')}/v1/Services",
            Mode.TEST: f"{sandbox_base_url.rstrip('/')}/v1/Services",
        }

    def url(self, connection: Connection, resource: str = "") -> str:
        """The URL of the account, or of a resource of it such as `Messages`."""
        tail = f"/{resource}" if resource else ""
        return f"{self._roots[connection.mode]}/{connection.external_id}{tail}.json"

    async def get(self, connection: Connection, resource: str = "", query: Mapping[str, str] | None = None) -> Json:
        """A resource. Raises ProviderRefused or ProviderUnavailable."""
        asked = f"?{urlencode(query)}" if query else ""
        return await self.call(connection, "GET", f"{self.url(connection, resource)}{asked}")

    async def post(self, connection: Connection, resource: str, form: Mapping[str, str]) -> Json:
        return await self.call(connection, "POST", self.url(connection, resource), urlencode(form).encode())

    def pages(
        self, connection: Connection, resource: str, member: str, query: Mapping[str, str], *, most: int
    ) -> AsyncIterator[list[Json]]:
        """The pages of a list, each the objects in `member`. Raises ProviderUnavailable for more than `most`."""
        return self._pages(connection, self.url(connection, resource), member, query, most)

    def service_pages(self, connection: Connection, *, most: int) -> AsyncIterator[list[Json]]:
        """The pages of the list of Messaging Services."""
        return self._pages(connection, self._services[connection.mode], "services", {}, most)

    async def _pages(
        self, connection: Connection, url: str, member: str, query: Mapping[str, str], most: int
    ) -> AsyncIterator[list[Json]]:
        """Of the link to the next page only the query is used: the rest could point anywhere."""
        asked = urlencode({**query, "PageSize": str(_PAGE)})
        for _ in range(most):
            page = await self.call(connection, "GET", f"{url}?{asked}")
            yield mappings(page.get(member))
            link = text(page, "next_page_uri") or text(mapping(page.get("meta")), "next_page_url")
            following = link.partition("?")[2]
            if not following or following == asked:
                return
            asked = following
        raise ProviderUnavailable("provider_unavailable", f"Twilio's list of {member} does not end.")

    async def call(self, connection: Connection, method: str, url: str, body: bytes = b"") -> Json:
        user, password = credentials.of(connection.credentials).login(connection.external_id)
        return await self.call_as(user, password, method, url, body)

    async def call_as(self, user: str, password: str, method: str, url: str, body: bytes = b"") -> Json:
        """A call with a user name and password of its own. Raises ProviderRefused or ProviderUnavailable."""
        if not fits_a_header(user, password):
            raise ProviderRefused("provider_refused", "The credentials have characters that Twilio's never have.")
        sent = headers(user, password)
        exchange = await self._http.request(method, url, headers=sent, body=body, reply_limit=_LIST_LIMIT)
        match exchange:
            case Reply():
                return _read_answer(exchange)
            case NotSent(reason=reason) | NoReply(reason=reason):
                raise ProviderUnavailable("provider_unavailable", f"Twilio could not be reached: {reason}")
            case Withheld():
                raise AssertionError("these calls need no permission")
            case _:
                assert_never(exchange)


def fits_a_header(user: str, password: str) -> bool:
    return all(part.isascii() and part.isprintable() and part for part in (user, password)) and ":" not in user


@lru_cache(maxsize=2048)
def headers(user: str, password: str) -> Headers:
    """The headers of an account's requests; cached, so that they are not built again for each request."""
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Headers(
        {
            "Authorization": f"Basic {login}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            # Replies have a few hundred bytes; compression would only hide their size.
            "Accept-Encoding": "identity",
            "User-Agent": "messaging",
        }
    )


def _read_answer(reply: Reply) -> Json:
    if reply.body is None:
        raise ProviderUnavailable("provider_unavailable", f"Twilio's answer was incomplete: {reply.flaw}")
    if not 200 <= reply.status < 300:
        raise _refusal(reply.status, reply.body)
    try:
        answer = msgspec.json.decode(reply.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderUnavailable("provider_unavailable", "Twilio's answer is not JSON.") from error
    if not isinstance(answer, dict):
        raise ProviderUnavailable("provider_unavailable", "Twilio's answer is not a JSON object.")
    return mapping(answer)


def _refusal(status: int, body: bytes) -> ProviderRefused | ProviderUnavailable:
    error = verdicts.read_error(body)
    if error is None:
        return ProviderUnavailable("provider_unavailable", f"Twilio answered HTTP {status} without an explanation.")
    entry = errors.find(error.code)
    parts = (f"Error {error.code}:", f"{entry.title}." if entry else "", error.reason, entry.advice if entry else "")
    detail = " ".join(part for part in parts if part)
    if (entry.kind in _FOR_NOW) if entry else (status >= 500 or status == 429):
        return ProviderUnavailable("provider_unavailable", detail)
    return ProviderRefused("provider_refused", detail)
