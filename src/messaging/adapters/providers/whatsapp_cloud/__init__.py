"""The WhatsApp Business Platform, Cloud API."""

from datetime import timedelta
from typing import Final

from messaging.adapters.providers.tools import Tools
from messaging.adapters.providers.whatsapp_cloud.client import WhatsAppCloudGateway
from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.adapters.providers.whatsapp_cloud.settings import WhatsAppSettings
from messaging.adapters.providers.whatsapp_cloud.setup import WhatsAppCloudSetup
from messaging.adapters.providers.whatsapp_cloud.webhooks.reader import WhatsAppWebhookReader
from messaging.adapters.providers.whatsapp_cloud.wire.graph import GraphCalls
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.descriptor import IdShape, Provider
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import PairLimit, SendLimits

_DIGITS: Final = "[0-9]{1,40}"


def build(tools: Tools) -> ProviderAdapter:
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


PROVIDER: Final = Provider(
    name="whatsapp_cloud",
    title="Meta's WhatsApp Cloud API",
    channels=frozenset({Channel.WHATSAPP}),
    credentials=Credentials,
    kept_credentials=frozenset({"app_secrets", "verify_token"}),
    settings=WhatsAppSettings,
    settings_prefix="WHATSAPP",
    capabilities=Capabilities(
        echoes_reference=True, can_look_up=True, reviews_templates=True, confirms_delivery=True, holds_media=True
    ),
    # One message every 6 seconds to one person, or up to 45 within 6 seconds borrowed from the time after.
    limits=SendLimits(per_second=80, per_pair=PairLimit(interval=timedelta(seconds=6), burst=45)),
    account_id=IdShape(
        pattern=_DIGITS, words="The id of a WhatsApp Business Account is digits only", example="102290129340398"
    ),
    sender_id=IdShape(pattern=_DIGITS, words="The id of a phone number is digits only", example="106540352242922"),
    build=build,
)
