"""The WhatsApp Business Platform, Cloud API."""

from typing import Final

from messaging.application.ports.providers import Provider
from messaging.domain.channels.address import Channel

PROVIDER: Final = Provider(name="whatsapp_cloud", channels=frozenset({Channel.WHATSAPP}))
