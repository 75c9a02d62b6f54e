"""Calls of the local commands to our own API and to the sandbox, repeated until they are answered."""

import asyncio
import time
from types import TracebackType
from typing import Any, Final, Self

import httpx

_PATIENCE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.2
_TIMEOUT_SECONDS: Final = 30.0
_COME_BACK: Final = frozenset({409, 429, 502, 503, 504})


class CallFailed(Exception):
    """A call was refused for good, or went unanswered for too long; the text says by whom and why."""


class LocalClient:
    """Calls with one base URL and key. A call that found nobody, or was told to come back, is repeated for half a
    minute.

    A mutating call to our API is safe to repeat because it carries an Idempotency-Key.
    """

    def __init__(self, base_url: str, *, key: str | None = None) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        # Requests to this machine must not go through a proxy that the environment names.
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False)

    async def get(self, path: str, **query: str | int) -> Any:
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: object, *, idempotency_key: str | None = None) -> Any:
        return await self._call("POST", path, body=body, idempotency_key=idempotency_key)

    async def put(self, path: str, body: object, *, idempotency_key: str | None = None) -> Any:
        return await self._call("PUT", path, body=body, idempotency_key=idempotency_key)

    async def delete(self, path: str) -> Any:
        return await self._call("DELETE", path)

    async def pages(self, path: str, **query: str | int) -> list[Any]:
        """Every item of a list of our API, page after page."""
        items: list[Any] = []
        page = await self.get(path, **query)
        while True:
            items += page["data"]
            if not page["has_more"]:
                return items
            page = await self.get(path, **query, after=page["next_cursor"])

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        params: dict[str, str | int] | None = None,
        idempotency_key: str | None = None,
    ) -> Any:
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        give_up_at = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                answer = await self._http.request(method, path, json=body, params=params, headers=headers)
            except httpx.TransportError as error:
                why = f"{method} {path}: no answer ({type(error).__name__})"
            else:
                if answer.is_success:
                    return answer.json()
                why = f"{method} {path}: HTTP {answer.status_code} {answer.text[:1_000]}"
                if answer.status_code not in _COME_BACK:
                    raise CallFailed(why)
            if time.monotonic() > give_up_at:
                raise CallFailed(why)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()
