"""Settings of traces: where spans go, and which."""

from typing import Annotated

from msgspec import Meta

from messaging.entrypoints.settings.outbound import OutboundSettings
from messaging.entrypoints.settings.values import HttpUrl, SecretHeaders


def _about(text: str) -> Meta:
    return Meta(description=text)


# `app trace --otlp` takes these two as well.
OtlpEndpoint = Annotated[
    HttpUrl | None,
    _about(
        "Collector that takes spans by OTLP over HTTP, such as `http://collector:4318`; `/v1/traces` is added. It needs"
        " the extra `messaging[otlp]`. Unset: no span is made."
    ),
]
OtlpHeaders = Annotated[
    SecretHeaders | None,
    _about("Headers for the collector, as `name=value` with commas between; such as its API key."),
]


class TraceSettings(OutboundSettings, frozen=True, kw_only=True):
    """The settings of spans, of `api`, `worker` and `webhooks`."""

    otlp_endpoint: OtlpEndpoint = None
    otlp_headers: OtlpHeaders = None
    traces_sample: Annotated[
        float,
        Meta(ge=0, le=1),
        _about(
            "Part of all traces whose spans are exported, by their id as OpenTelemetry's `TraceIdRatioBased` does;"
            " the same for all processes."
        ),
    ] = 0.01
    traces_slow_seconds: Annotated[
        float,
        Meta(gt=0, le=86_400),
        _about(
            "A message that leaves so long after it was due has its trace exported later, sampled or not; so has every"
            " one that ends badly."
        ),
    ] = 30.0
