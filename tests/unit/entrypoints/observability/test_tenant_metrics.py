"""The metrics of tenants are shown by the process that counts, and by no other."""

from collections.abc import Sequence
from typing import Any

import pytest

from messaging.application.ports.tenant_totals import TenantTotal
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.channels.address import Channel
from messaging.domain.shared.ids import Prefix, typeid
from messaging.domain.shared.mode import Mode
from messaging.entrypoints.observability.tenant_metrics import TenantMetrics
from tests.builders import TENANT


class Totals:
    def __init__(self) -> None:
        self.leads, self.away = True, False
        self.asked: list[int | None] = []

    async def count(self, name: str) -> bool:
        if self.away:
            raise StoreUnavailable
        return self.leads

    async def of_tenants(self, most: int | None) -> Sequence[TenantTotal]:
        if self.away:
            raise StoreUnavailable
        self.asked.append(most)
        of = {"tenant_id": TENANT, "mode": Mode.LIVE, "channel": Channel.SMS}
        return [TenantTotal(**of, status="queued", messages=count) for count in (2, 3)]  # type: ignore[arg-type]


@pytest.fixture
def totals() -> Totals:
    return Totals()


async def get(metrics: TenantMetrics, path: str = "/metrics/tenants") -> tuple[int, str]:
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    async def receive() -> Any:
        return {"type": "http.request"}

    await metrics({"type": "http", "path": path, "method": "GET"}, receive, send)
    return sent[0]["status"], sent[1]["body"].decode()


async def test_the_process_that_counts_shows_totals_by_public_status(totals: Totals) -> None:
    metrics = TenantMetrics(totals, name="w1", most=100)
    await metrics.count()

    status, body = await get(metrics)

    tenant = typeid(Prefix.TENANT, TENANT)
    line = f'messaging_tenant_messages_total{{channel="sms",mode="live",status="queued",tenant="{tenant}"}} 5.0'
    assert (status, totals.asked) == (200, [100])
    assert line in body
    assert "messaging_tenant_metrics_here 1.0" in body


async def test_the_others_show_nobody(totals: Totals) -> None:
    metrics = TenantMetrics(totals, name="w2", most=None)
    before = await get(metrics)
    totals.leads = False
    await metrics.count()

    status, body = await get(metrics)

    assert before[1] == body
    assert (status, totals.asked) == (200, [])
    assert "messaging_tenant_metrics_here 0.0" in body
    assert "messaging_tenant_messages_total{" not in body


async def test_without_the_database_the_scrape_fails_and_the_process_gives_way(totals: Totals) -> None:
    metrics = TenantMetrics(totals, name="w1", most=None)
    await metrics.count()
    totals.away = True

    assert (await get(metrics))[0] == 503
    with pytest.raises(StoreUnavailable):
        await metrics.count()
    assert (await get(metrics))[0] == 200


async def test_there_is_nothing_else_on_this_port(totals: Totals) -> None:
    assert (await get(TenantMetrics(totals, name="w1", most=None), "/metrics"))[0] == 404
