"""Settings of the edge: what callers of a process may send, hold open and try before they are turned away."""

from typing import Annotated

from msgspec import Meta

from messaging.entrypoints.settings.values import Networks, Port, Positive, Seconds, Unlimited
from messaging.entrypoints.settings.watching import WatchingSettings

HeadBytes = Annotated[int, Meta(ge=8_192, le=1_048_576)]
Connections = Annotated[int, Meta(ge=8, le=100_000)]
HeaderLines = Annotated[int, Meta(ge=16, le=10_000)]


def _about(text: str) -> Meta:
    return Meta(description=text)


class EdgeSettings(WatchingSettings, frozen=True, kw_only=True):
    """The settings of the listeners of `api`, `webhooks` and the worker."""

    http_connections: Annotated[
        Connections,
        _about(
            "Connections one listener keeps open, at most. Beyond, those that ask for nothing make room;"
            " while all are busy only probes are answered."
        ),
    ] = 1_000
    http_header_lines: Annotated[
        HeaderLines, _about("Header lines of a request, at most; more are answered with 431.")
    ] = 100
    http_head_bytes: Annotated[
        HeadBytes, _about("Bytes of a request's line and headers, at most; more are answered with 431.")
    ] = 32_768
    http_head_seconds: Annotated[
        Seconds, _about("How long a request's line and headers may take to arrive; longer is answered with 408.")
    ] = 10.0
    http_body_seconds: Annotated[
        Seconds, _about("How long a request's body may take to arrive; longer is answered with 408.")
    ] = 30.0
    http_idle_seconds: Annotated[
        Seconds,
        _about("How long a connection is kept between two requests: longer than proxies in front of it keep theirs."),
    ] = 75.0
    admin_host: Annotated[
        str, _about("Address of the listeners of APP_API_ADMIN_PORT and APP_WEBHOOKS_ADMIN_PORT.")
    ] = "127.0.0.1"
    api_admin_port: Annotated[
        Port | None,
        _about(
            "A second port of `app api`, for operators: /admin, /metrics, /docs and the details of /readyz are on it"
            " alone, with everything else. Unset: all is on APP_API_PORT."
        ),
    ] = None
    webhooks_admin_port: Annotated[
        Port | None,
        _about("The same for `app webhooks`: /metrics and the details of /readyz. Unset: all is on APP_WEBHOOKS_PORT."),
    ] = None
    trusted_proxies: Annotated[
        Networks | None,
        _about(
            "Networks of the proxies before `app api`, such as `10.0.0.0/8,fd00::/8`: from them X-Forwarded-For is"
            " believed when callers with wrong keys are told apart. Unset: nobody is."
        ),
    ] = None
    failed_keys_per_minute: Annotated[
        Unlimited,
        _about(
            "Wrong keys from one network (IPv4 /24, IPv6 /48) that one `app api` answers with 401 in a minute; further"
            " ones with 429. Keys in use still pass. 0: any number."
        ),
    ] = 30
    tenant_changes_per_minute: Annotated[
        Unlimited, _about("How often a tenant may change its configuration in a minute; 0: any number.")
    ] = 300
    tenant_accounts: Annotated[Positive, _about("Provider accounts a tenant may have in each mode.")] = 100
    tenant_senders: Annotated[Positive, _about("Senders a tenant may have in each mode.")] = 1_000
    tenant_templates: Annotated[
        Positive, _about("Templates a tenant may have in each mode when it creates another; listings bring in all.")
    ] = 10_000
    tenant_own_templates: Annotated[
        Positive, _about("Templates of its own a tenant may have in each mode that are not archived.")
    ] = 200
    tenant_callback_endpoints: Annotated[Positive, _about("Callback endpoints a tenant may have in live mode.")] = 20
    tenant_test_callback_endpoints: Annotated[
        Positive, _about("Callback endpoints a tenant may have in test mode.")
    ] = 5
    tenant_keys: Annotated[Positive, _about("API keys a tenant may have that are not revoked.")] = 1_000
