"""The providers that are installed, as use cases are given them in tests."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from msgspec.structs import replace

from messaging.application.ports.providers.webhooks import WebhookRequest
from messaging.application.tenants.accounts.capabilities import AccountCapabilities
from messaging.application.tenants.accounts.connections import AccountCredentials
from messaging.domain.channels.capabilities import Capabilities
from messaging.entrypoints.composition.providers import BY_NAME
from tests.builders import a_snapshot
from tests.fakes.snapshots import InMemorySnapshots

INSTALLED: Final = BY_NAME
CREDENTIALS_OF: Final = AccountCredentials(BY_NAME)
CAPABILITIES_OF: Final = AccountCapabilities(snapshots=InMemorySnapshots(a_snapshot()), providers=BY_NAME)
PUBLIC_URL: Final = "https://hooks.example"


def a_webhook(
    body: bytes = b"", *, headers: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
) -> WebhookRequest:
    """A POST as the readers of providers get it; a GET when it has a query."""
    url = f"{PUBLIC_URL}/webhooks/whatsapp_cloud/token"
    return WebhookRequest(
        method="POST" if query is None else "GET",
        url=url if query is None else f"{url}?{urlencode(query)}",
        headers=headers or {},
        body=body,
    )


def all_can(can: Capabilities) -> AccountCapabilities:
    """Every provider of the tests' account can prove the same."""
    providers = {name: replace(provider, capabilities=can) for name, provider in BY_NAME.items()}
    return AccountCapabilities(snapshots=InMemorySnapshots(a_snapshot()), providers=providers)
