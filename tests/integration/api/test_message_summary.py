"""What does a caller learn about all messages of a range at once?"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messaging.adapters.postgres.reading import message_counts
from messaging.entrypoints.composition.containers import Application
from tests.integration.api.answers import violations
from tests.integration.api.callers import Json, Shop
from tests.integration.api.workers import Fate, work_through


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_counts, "SECONDS", 60.0)


async def summary(shop: Shop, **query: Any) -> Json:
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    response = await shop.get(f"/v1/messages/summary?{parameters}".rstrip("?"))
    assert response.status_code == 200, response.text
    return dict(response.json())


async def test_messages_of_the_last_day_are_counted_by_status_and_reason(shop: Shop, application: Application) -> None:
    for _ in range(2):
        await shop.sent()
    await work_through(application, shop.sender_id, Fate.IS_REFUSED)
    await shop.sent()
    await work_through(application, shop.sender_id, Fate.DIES)
    await shop.sent()

    counted = await summary(shop)

    assert (counted["messages"], counted["truncated"]) == (4, False)
    assert counted["by_status"] == [
        {"status": "queued", "messages": 1},
        {"status": "failed", "messages": 2},
        {"status": "dead", "messages": 1},
    ]
    assert counted["by_reason"] == [
        {"error_code": "131026", "status": "failed", "messages": 2},
        {"error_code": "unreadable", "status": "dead", "messages": 1},
    ]
    after, before = (datetime.fromisoformat(counted[name]) for name in ("created_after", "created_before"))
    assert before - after == timedelta(hours=24)
    assert counted["counted_since"] == counted["created_after"]


async def test_a_range_a_template_and_a_channel_narrow_it(shop: Shop) -> None:
    await shop.sent()
    now = datetime.now(UTC)
    longest = {"created_after": _text(now - timedelta(days=30)), "created_before": _text(now + timedelta(days=1))}

    assert (await summary(shop, **longest))["messages"] == 1
    assert (await summary(shop, created_before=_text(now - timedelta(hours=1))))["messages"] == 0
    assert (await summary(shop, template="order_update", channel="whatsapp"))["messages"] == 1
    assert (await summary(shop, template="other"))["by_status"] == []
    assert (await summary(shop, channel="sms"))["messages"] == 0


@pytest.mark.parametrize(
    "query, pointer",
    [
        ("created_after=2026-01-01T00:00:00Z&created_before=2026-02-01T00:00:01Z", "/created_after"),
        ("created_after=2020-01-01T00:00:00Z", "/created_after"),
        ("created_after=2026-01-01T00:00:00Z&created_before=2026-01-01T00:00:00Z", "/created_after"),
        ("created_after=yesterday", "/created_after"),
        ("channel=pigeon", "/channel"),
        ("limit=3", "/limit"),
    ],
)
async def test_a_range_that_is_none_or_too_long_is_refused(quiet_shop: Shop, query: str, pointer: str) -> None:
    assert pointer in violations(await quiet_shop.get(f"/v1/messages/summary?{query}"))


def _text(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")
