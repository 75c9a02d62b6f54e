"""Who hangs up is no defect of ours, and is not answered; what cannot be stored is answered 503 and counted."""

from collections.abc import Iterator
from typing import Any, cast

import pytest

from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.application.webhooks.receive import StoreWebhook
from messaging.entrypoints.webhooks.receive import ReceiveWebhook


class _Knowing:
    async def knows(self, provider: str, token: str) -> bool:
        return True


async def test_a_caller_that_hangs_up_half_way_is_noted_and_not_answered(caplog: pytest.LogCaptureFixture) -> None:
    events: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Any] = []

    async def receive() -> Any:
        return next(events)

    async def send(event: Any) -> None:
        sent.append(event)

    caplog.set_level("INFO")
    asked_for_the_path_only = cast(StoreWebhook, _Knowing())
    scope: Any = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await ReceiveWebhook(asked_for_the_path_only)(scope, receive, send, provider="whatsapp_cloud", token="t")

    assert sent == []
    assert [(record.message, record.levelname) for record in caplog.records] == [("webhook.interrupted", "INFO")]


class _WithoutStore(_Knowing):
    def __init__(self, error: Exception) -> None:
        self.error = error
        self.not_stored: list[str] = []

    async def __call__(self, arriving: object) -> None:
        raise self.error

    def count_not_stored(self, provider: str) -> None:
        self.not_stored.append(provider)


@pytest.mark.parametrize(("error", "status"), [(StoreUnavailable(), 503), (TimeoutError(), 503), (ValueError(), 500)])
async def test_what_cannot_be_stored_is_answered_5xx_and_counted(error: Exception, status: int) -> None:
    accept, sent = _WithoutStore(error), list[Any]()

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope: Any = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await ReceiveWebhook(cast(StoreWebhook, accept))(scope, receive, send, provider="twilio", token="t")

    assert sent[0]["status"] == status
    assert accept.not_stored == ["twilio"]
