"""The tools that a provider's adapter is built with."""

from collections.abc import Awaitable, Callable

from msgspec import Struct, field

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.http.safe_egress.addresses import AddressRule


class Tools(Struct, frozen=True, kw_only=True):
    """`settings` is an instance of the provider's own settings.

    `sandbox_url` is the base URL of the sandbox, where accounts in test mode are reached, and `webhooks_url` the public
    URL under which every account's `webhook_path` lies; neither ends in a slash. What `on_close` is given runs when the
    process ends. `rule` tells which addresses of hosts that tenants name may be connected to.
    """

    http: ProviderHttp
    settings: Struct
    sandbox_url: str
    webhooks_url: str
    on_close: Callable[[Callable[[], Awaitable[None]]], object]
    rule: AddressRule = field(default_factory=AddressRule)
