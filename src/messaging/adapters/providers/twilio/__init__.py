"""Twilio Programmable Messaging: SMS and MMS."""

from typing import Final

from messaging.adapters.providers.tools import Tools
from messaging.adapters.providers.twilio.bodies import SENDER
from messaging.adapters.providers.twilio.client import TwilioGateway
from messaging.adapters.providers.twilio.credentials import Credentials
from messaging.adapters.providers.twilio.lookup import TwilioLookup
from messaging.adapters.providers.twilio.numbers import LONG_CODE, TwilioNumbers
from messaging.adapters.providers.twilio.settings import TwilioSettings
from messaging.adapters.providers.twilio.setup import TwilioSetup
from messaging.adapters.providers.twilio.webhooks.reader import TwilioWebhookReader
from messaging.adapters.providers.twilio.wire.rest import TwilioCalls
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.descriptor import IdShape, Provider
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import SendLimits


def build(tools: Tools) -> ProviderAdapter:
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


PROVIDER: Final = Provider(
    name="twilio",
    title="Twilio",
    channels=frozenset({Channel.SMS}),
    credentials=Credentials,
    kept_credentials=frozenset({"auth_tokens"}),
    settings=TwilioSettings,
    capabilities=Capabilities(echoes_reference=True, can_look_up=True, can_find=True, confirms_delivery=True),
    # A long code of the US; other senders may have more, which is a property of the sender.
    limits=SendLimits(per_second=LONG_CODE, unit="segment"),
    account_id=IdShape(
        pattern="AC[0-9a-fA-F]{32}",
        words="The SID of a Twilio account is AC and 32 hexadecimal digits",
        example="ACb1d0f3a7c94e4d2f8a6c5e7b90123456",
    ),
    sender_id=IdShape(
        pattern=SENDER,
        words="A sender at Twilio is a phone number with '+', a short code, a name of up to 11 characters with a letter"
        " in it, or the SID of a Messaging Service (MG and 32 hexadecimal digits)",
        example="+15017250604",
    ),
    secret_patterns=(r"Basic [A-Za-z0-9+/]{16,}={0,2}",),
    build=build,
)
