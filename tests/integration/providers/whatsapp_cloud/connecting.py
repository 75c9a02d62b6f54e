"""Builds the adapter of the Cloud API as a process does, over given URLs."""

from messaging.adapters.http.client import ProviderHttp
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.wire.graph import GraphCalls
from messaging.adapters.providers.whatsapp_cloud.wire.versions import DEFAULT_VERSION


def a_gateway(
    http: ProviderHttp, *, live: str, sandbox: str = "http://sandbox.local", version: str = DEFAULT_VERSION
) -> WhatsAppCloudGateway:
    graph = GraphCalls(http=http, live_base_url=live, sandbox_base_url=sandbox, graph_version=version)
    return WhatsAppCloudGateway(http=http, graph=graph)
