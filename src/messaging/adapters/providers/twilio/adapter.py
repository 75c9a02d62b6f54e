"""Builds the adapter of Twilio out of its parts."""

from messaging.adapters.providers.tools import Tools
from messaging.adapters.providers.twilio.client import TwilioGateway
from messaging.adapters.providers.twilio.lookup import TwilioLookup
from messaging.adapters.providers.twilio.numbers import TwilioNumbers
from messaging.adapters.providers.twilio.settings import TwilioSettings
from messaging.adapters.providers.twilio.setup import TwilioSetup
from messaging.adapters.providers.twilio.webhooks.reader import TwilioWebhookReader
from messaging.adapters.providers.twilio.wire.rest import TwilioCalls
from messaging.application.ports.providers.adapter import ProviderAdapter


def build_adapter(tools: Tools) -> ProviderAdapter:
    settings = tools.settings
    assert isinstance(settings, TwilioSettings)
    calls = TwilioCalls(
        http=tools.http,
        live_base_url=settings.base_url,
        live_messaging_url=settings.messaging_base_url,
        sandbox_base_url=tools.sandbox_url,
    )
    numbers = TwilioNumbers(calls)
    return ProviderAdapter(
        gateway=TwilioGateway(http=tools.http, calls=calls, webhooks_url=tools.webhooks_url),
        webhooks=TwilioWebhookReader(),
        lookup=TwilioLookup(calls),
        numbers=numbers,
        setup=TwilioSetup(calls=calls, numbers=numbers, webhooks_url=tools.webhooks_url),
    )
