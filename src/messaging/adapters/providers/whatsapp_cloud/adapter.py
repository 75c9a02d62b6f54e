"""Builds the adapter of the Cloud API out of its parts."""

from messaging.adapters.providers.tools import Tools
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.settings import WhatsAppSettings
from messaging.adapters.providers.whatsapp_cloud.setup import WhatsAppCloudSetup
from messaging.adapters.providers.whatsapp_cloud.webhooks.reader import WhatsAppWebhookReader
from messaging.adapters.providers.whatsapp_cloud.wire.graph import GraphCalls
from messaging.application.ports.providers.adapter import ProviderAdapter


def build_adapter(tools: Tools) -> ProviderAdapter:
    settings = tools.settings
    assert isinstance(settings, WhatsAppSettings)
    graph = GraphCalls(
        http=tools.http,
        live_base_url=settings.base_url,
        sandbox_base_url=tools.sandbox_url,
        graph_version=settings.graph_version,
    )
    gateway = WhatsAppCloudGateway(http=tools.http, graph=graph)
    return ProviderAdapter(
        gateway=gateway,
        webhooks=WhatsAppWebhookReader(),
        lookup=gateway if settings.message_history else None,
        templates=gateway,
        numbers=gateway,
        setup=WhatsAppCloudSetup(graph=graph, gateway=gateway),
    )
