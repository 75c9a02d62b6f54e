"""The operator's settings of Twilio: `APP_TWILIO_…`."""

from typing import Annotated

from msgspec import Meta, Struct


class TwilioSettings(Struct, frozen=True, kw_only=True):
    base_url: Annotated[
        str, Meta(pattern=r"^https?://[^/\s]", description="Where accounts in live mode are reached.")
    ] = "https://api.twilio.com"
    messaging_base_url: Annotated[
        str,
        Meta(
            pattern=r"^https?://[^/\s]",
            description="Where the Messaging Services of accounts in live mode are listed.",
        ),
    ] = "https://messaging.twilio.com"
