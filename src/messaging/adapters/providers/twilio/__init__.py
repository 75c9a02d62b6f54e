"""Twilio Programmable Messaging: SMS and MMS."""

from typing import TYPE_CHECKING, Final

from messaging.adapters.providers.twilio.bodies import NAME, SENDER
from messaging.adapters.providers.twilio.credentials import Credentials
from messaging.adapters.providers.twilio.settings import TwilioSettings
from messaging.adapters.providers.twilio.throughput import LONG_CODE
from messaging.application.ports.providers.descriptor import IdShape, Provider, Steps, Subscription
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import SendLimits

if TYPE_CHECKING:
    from messaging.adapters.providers.tools import Tools
    from messaging.application.ports.providers.adapter import ProviderAdapter


def build(tools: "Tools") -> "ProviderAdapter":
    """The adapter. Its libraries load slowly, and many commands need the description alone."""
    from messaging.adapters.providers.twilio.adapter import build_adapter

    return build_adapter(tools)


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
        called="account-sid",
    ),
    sender_id=IdShape(
        pattern=SENDER,
        words="A sender at Twilio is a phone number with '+', a short code, a name of up to 11 characters with a letter"
        " in it, or the SID of a Messaging Service (MG and 32 hexadecimal digits)",
        example="+15017250604",
        called="sender",
        unlisted=NAME,
    ),
    steps=Steps(subscription=Subscription(override=False, otherwise="there for numbers that posted nowhere before")),
    secret_patterns=(r"Basic [A-Za-z0-9+/]{16,}={0,2}",),
    build=build,
)
