"""Asks the other processes, as their callers reach them, whether they run: for the status page."""

from typing import Final

import httpx

from messaging.domain.status.components import Figures
from messaging.entrypoints.settings.values import HttpUrl

_SECONDS: Final = 5.0


class ProbeProcesses:
    """A process that is not named is not asked, and nothing is said of it."""

    def __init__(
        self, *, api: HttpUrl | None, webhooks: HttpUrl | None, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._api = api
        self._webhooks = webhooks
        self._transport = transport

    async def __call__(self) -> Figures:
        async with httpx.AsyncClient(trust_env=False, timeout=_SECONDS, transport=self._transport) as client:
            return Figures(
                store_answers=True,
                api_answers=await _answers(client, self._api),
                webhooks_answer=await _answers(client, self._webhooks),
            )


async def _answers(client: httpx.AsyncClient, url: HttpUrl | None) -> bool | None:
    if url is None:
        return None
    try:
        return (await client.get(url.value.rstrip("/") + "/healthz")).is_success
    except httpx.HTTPError:
        return False
