"""The operator's settings of the Cloud API: `APP_WHATSAPP_…`."""

from typing import Annotated

from msgspec import Meta, Struct

from messaging.adapters.providers.whatsapp_cloud.wire.versions import DEFAULT_VERSION
from messaging.application.ports.providers.descriptor import HttpUrl


class WhatsAppSettings(Struct, frozen=True, kw_only=True):
    base_url: Annotated[HttpUrl, Meta(description="Where accounts in live mode are reached.")] = (
        "https://graph.facebook.com"
    )
    graph_version: Annotated[
        str, Meta(pattern=r"^v[0-9]{1,3}\.[0-9]$", description="Version of the Graph API to call.")
    ] = DEFAULT_VERSION
    message_history: Annotated[
        bool,
        Meta(
            description="Whether an accepted message without news is looked up in Meta's `message_history`, which few"
            " accounts have."
        ),
    ] = False
