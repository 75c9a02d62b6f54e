"""The providers there are, one line each; what an account may carry follows from them."""

from typing import Final

from messaging.adapters.providers import whatsapp_cloud
from messaging.application.ports.providers import CarriedChannels, Provider

PROVIDERS: Final[tuple[Provider, ...]] = (whatsapp_cloud.PROVIDER,)
CARRIED: Final[CarriedChannels] = {provider.name: provider.channels for provider in PROVIDERS}
