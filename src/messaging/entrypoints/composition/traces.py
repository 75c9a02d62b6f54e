"""Builds what exports spans, from the settings: nothing at all where no collector is set."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from messaging.adapters.telemetry.span_export import Sending, SpanExport
from messaging.application.messages.tracking.keep_traces import NotedEnds
from messaging.domain.tracing.spans import Span
from messaging.entrypoints.settings.traces import TraceSettings
from messaging.entrypoints.settings.values import HttpUrl, SecretHeaders

if TYPE_CHECKING:
    from messaging.adapters.telemetry.otlp import OtlpSender

OnClose = Callable[[Callable[[], Awaitable[None]]], object]


class ExporterNotInstalled(Exception):
    """A collector is set, and the exporter is not installed."""


def span_export(settings: TraceSettings, *, on_close: OnClose, process: str) -> SpanExport:
    """The export of a process; what waits when it ends is sent within two seconds. Without a collector no trace is
    sampled. Raises ExporterNotInstalled.
    """
    if settings.otlp_endpoint is None:
        return SpanExport(_nowhere, sample=0.0)
    sender = otlp_sender(settings.otlp_endpoint, settings.otlp_headers, process=process)
    export = SpanExport(sender, sample=settings.traces_sample)

    async def close() -> None:
        await asyncio.to_thread(export.close)

    on_close(close)
    return export


def _nowhere(batch: Sequence[Span]) -> Sending:
    return Sending.REFUSED


def otlp_sender(endpoint: HttpUrl, headers: SecretHeaders | None, *, process: str) -> "OtlpSender":
    """What sends spans to a collector. `process` is a process's name, which begins with its role.

    Raises ExporterNotInstalled.
    """
    try:
        from messaging.adapters.telemetry.otlp import OtlpSender
    except ModuleNotFoundError as error:
        raise ExporterNotInstalled("APP_OTLP_ENDPOINT is set, and the exporter for it is not installed") from error
    return OtlpSender(
        endpoint.value,
        headers={} if headers is None else headers.as_dict(),
        resource={
            "service.name": "messaging",
            "service.instance.id": process,
            "process.role": process.partition("-")[0],
        },
    )


def noted_ends(settings: TraceSettings) -> NotedEnds:
    slow_after = timedelta(seconds=settings.traces_slow_seconds)
    return NotedEnds(wanted=settings.otlp_endpoint is not None, slow_after=slow_after)


def export_once(spans: Sequence[Mapping[str, object]], endpoint: HttpUrl, headers: SecretHeaders | None) -> bool:
    """Send spans as the API shows them; whether the collector has taken them. Raises ExporterNotInstalled."""
    sender = otlp_sender(endpoint, headers, process="cli")
    return sender([msgspec.convert(span, Span) for span in spans]) is Sending.TAKEN
