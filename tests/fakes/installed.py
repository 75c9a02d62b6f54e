"""The providers that are installed, as use cases are given them in tests."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from messaging.application.ports.providers.webhooks import WebhookRequest
from messaging.application.tenants.accounts.connections import AccountCredentials
from messaging.entrypoints.composition.providers import BY_NAME

INSTALLED: Final = BY_NAME
CREDENTIALS_OF: Final = AccountCredentials(BY_NAME)
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
