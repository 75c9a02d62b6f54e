"""The status page asks the processes whose addresses it has, and says nothing of the others."""

import httpx

from messaging.domain.status.components import Figures
from messaging.entrypoints.composition.health.probes import ProbeProcesses
from messaging.entrypoints.settings.values import HttpUrl


def _answer(request: httpx.Request) -> httpx.Response:
    if request.url.host == "gone":
        raise httpx.ConnectError("nobody there")
    return httpx.Response(200 if request.url.path == "/healthz" else 404)


async def test_processes_are_asked_for_their_health() -> None:
    probe = ProbeProcesses(
        api=HttpUrl("http://api/"), webhooks=HttpUrl("http://gone"), transport=httpx.MockTransport(_answer)
    )

    assert await probe() == Figures(store_answers=True, api_answers=True, webhooks_answer=False)


async def test_who_is_not_named_is_not_asked() -> None:
    assert await ProbeProcesses(api=None, webhooks=None)() == Figures(store_answers=True)
