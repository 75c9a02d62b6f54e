"""The operator's settings of Twilio: `APP_TWILIO_…`."""

from typing import Annotated

from msgspec import Meta, Struct

from messaging.application.ports.providers.descriptor import HttpUrl


class TwilioSettings(Struct, frozen=True, kw_only=True):
    base_url: Annotated[HttpUrl, Meta(description="Where accounts in live mode are reached.")] = (
        "https://api.twilio.com"
    )
    messaging_base_url: Annotated[
        HttpUrl, Meta(description="Where the Messaging Services of accounts in live mode are listed.")
    ] = "https://messaging.twilio.com"
