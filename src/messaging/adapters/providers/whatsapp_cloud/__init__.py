"""The WhatsApp Business Platform, Cloud API."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from messaging.adapters.providers.whatsapp_cloud.credentials import Credentials
from messaging.adapters.providers.whatsapp_cloud.settings import WhatsAppSettings
from messaging.application.ports.providers.descriptor import IdShape, Provider, Steps, Subscription
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import PairLimit, SendLimits

if TYPE_CHECKING:
    from messaging.adapters.providers.tools import Tools
    from messaging.application.ports.providers.adapter import ProviderAdapter

_DIGITS: Final = "[0-9]{1,40}"


def build(tools: "Tools") -> "ProviderAdapter":
    """The adapter. Its libraries load slowly, and many commands need the description alone."""
    from messaging.adapters.providers.whatsapp_cloud.adapter import build_adapter

    return build_adapter(tools)


PROVIDER: Final = Provider(
    name="whatsapp_cloud",
    title="Meta's WhatsApp Cloud API",
    channels=frozenset({Channel.WHATSAPP}),
    credentials=Credentials,
    kept_credentials=frozenset({"app_secrets", "verify_token"}),
    settings=WhatsAppSettings,
    settings_prefix="WHATSAPP",
    secret_patterns=(r"\bEAA[A-Za-z0-9]{16,}",),  # access tokens
    capabilities=Capabilities(
        echoes_reference=True, can_look_up=True, reviews_templates=True, confirms_delivery=True, holds_media=True
    ),
    # One message every 6 seconds to one person, or up to 45 within 6 seconds borrowed from the time after.
    limits=SendLimits(per_second=80, per_pair=PairLimit(interval=timedelta(seconds=6), burst=45)),
    account_id=IdShape(
        pattern=_DIGITS,
        words="The id of a WhatsApp Business Account is digits only",
        example="102290129340398",
        called="waba-id",
    ),
    sender_id=IdShape(
        pattern=_DIGITS,
        words="The id of a phone number is digits only",
        example="106540352242922",
        called="phone-number-id",
    ),
    steps=Steps(
        subscription=Subscription(override=True, otherwise="where the app's settings say"),
        registers_numbers=True,
        chosen=frozenset({"verify_token"}),
    ),
    build=build,
)
