"""Builds the adapter of Parrot out of its parts."""

from messaging.adapters.providers.tools import Tools
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.domain.shared.mode import Mode
from tests.conformance.parrot.adapter import ParrotSettings
from tests.conformance.parrot.adapter.client import ParrotGateway, ParrotUrls
from tests.conformance.parrot.adapter.lookup import ParrotLookup
from tests.conformance.parrot.adapter.webhooks import ParrotWebhookReader


def build_adapter(tools: Tools) -> ProviderAdapter:
    settings = tools.settings
    assert isinstance(settings, ParrotSettings)
    urls = ParrotUrls({Mode.LIVE: settings.base_url.rstrip("/"), Mode.TEST: f"{tools.sandbox_url}/parrot"})
    return ProviderAdapter(
        gateway=ParrotGateway(http=tools.http, urls=urls, webhooks_url=tools.webhooks_url),
        webhooks=ParrotWebhookReader(),
        lookup=ParrotLookup(http=tools.http, urls=urls),
    )
