"""Settings of what operators watch beside `/metrics`."""

import re
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from messaging.entrypoints.settings.values import HttpUrl, Port


def _about(text: str) -> Meta:
    return Meta(description=text)


class TenantMetricsChoice(Struct, frozen=True):
    """`off`, `all`, or `top:` and the number of tenants."""

    _PATTERN: ClassVar[re.Pattern[str]] = re.compile(r"off|all|top:[1-9]\d{0,3}")

    value: str

    def __post_init__(self) -> None:
        if not self._PATTERN.fullmatch(self.value):
            raise ValueError("is none of `off`, `all` and `top:N`, such as `top:100`, with N up to 9999.")

    @property
    def is_on(self) -> bool:
        return self.value != "off"

    @property
    def most(self) -> int | None:
        """The number of tenants that are shown; None for all."""
        return int(self.value.removeprefix("top:")) if self.value.startswith("top:") else None

    def __str__(self) -> str:
        return self.value


class WatchingSettings(Struct, frozen=True, kw_only=True):
    """The settings of the exporter of tenants' metrics, and of the status page."""

    tenant_metrics: Annotated[
        TenantMetricsChoice,
        _about(
            "Which tenants `app worker` tells of at /metrics/tenants on APP_TENANT_METRICS_PORT: `off`, `all`, or"
            " `top:N` for those with the most messages."
        ),
    ] = TenantMetricsChoice("off")
    tenant_metrics_port: Annotated[
        Port, _about("Port of the worker's listener for /metrics/tenants, on APP_WORKER_HOST.")
    ] = 8012
    status_directory: Annotated[
        str | None,
        _about(
            "Where `app worker` writes the public status page every 30 s: index.html, status.json and feed.atom, for"
            " any web server. Unset: nowhere."
        ),
    ] = None
    status_title: Annotated[str, _about("What the status page is called.")] = "Status"
    status_api_url: Annotated[
        HttpUrl | None,
        _about("Where the status page asks whether `app api` runs. Unset: it is judged by the database alone."),
    ] = None
    status_webhooks_url: Annotated[HttpUrl | None, _about("The same for `app webhooks`.")] = None
