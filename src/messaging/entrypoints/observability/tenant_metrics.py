"""The metrics of tenants, `/metrics/tenants`: told by one process at a time, and of a bounded number of tenants.

They are apart from `/metrics`, because a series for each tenant in every process would outgrow the metrics store.
"""

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from messaging.application.ports.tenant_totals import TenantTotal, TenantTotals
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.shared.ids import Prefix, typeid
from messaging.entrypoints.observability.asgi import Receive, Scope, Send

log = logging.getLogger(__name__)

PATH: Final = "/metrics/tenants"
_LABELS: Final = ("tenant", "mode", "channel", "status")


class TenantMetrics:
    """Answers `/metrics/tenants`. Of all processes that count, the one that leads shows the totals; so each tenant is
    there once, however many workers are scraped. `most` is the number of tenants that are shown, None for all.
    """

    def __init__(self, totals: TenantTotals, *, name: str, most: int | None) -> None:
        self._totals = totals
        self._name = name
        self._most = most
        self._leads = False

    async def count(self) -> None:
        """Count what has been accepted since; to be called every half minute. Raises StoreUnavailable."""
        try:
            self._leads = await self._totals.count(self._name)
        except StoreUnavailable:
            # Another one takes over soon.
            self._leads = False
            raise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] != PATH:
            await _reply(send, 404, b"")
            return
        try:
            totals = await self._totals.of_tenants(self._most) if self._leads else ()
        except StoreUnavailable:
            log.warning("metrics.tenants_not_read", extra={"store": "postgres"})
            await _reply(send, 503, b"")
            return
        await _reply(send, 200, generate_latest(_Totals(totals, leads=self._leads)))


class _Totals(CollectorRegistry):
    def __init__(self, totals: Sequence[TenantTotal], *, leads: bool) -> None:
        super().__init__()
        self._totals = totals
        self._leading = leads

    def collect(self) -> Iterable[Metric]:
        text = "1 if this process shows the tenants' totals, else 0."
        counted = CounterMetricFamily("messaging_tenant_messages", "Messages of a tenant.", labels=_LABELS)
        for total, messages in _by_label(self._totals).items():
            counted.add_metric(total, messages)
        return (GaugeMetricFamily("messaging_tenant_metrics_here", text, value=float(self._leading)), counted)


def _by_label(totals: Sequence[TenantTotal]) -> dict[tuple[str, ...], int]:
    """Two internal states may have one public name."""
    sums: dict[tuple[str, ...], int] = {}
    for it in totals:
        labels = (typeid(Prefix.TENANT, it.tenant_id), it.mode.value, it.channel.value, it.status)
        sums[labels] = sums.get(labels, 0) + it.messages
    return sums


async def _reply(send: Send, status: int, body: bytes) -> None:
    headers = [
        (b"content-type", CONTENT_TYPE_LATEST.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
