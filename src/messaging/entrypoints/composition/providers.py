"""The providers there are, one line each. What depends on which there are is derived from this list."""

from typing import Final

from messaging.adapters.providers import whatsapp_cloud
from messaging.application.ports.providers.descriptor import CarriedChannels, Provider, Providers

PROVIDERS: Final[tuple[Provider, ...]] = (whatsapp_cloud.PROVIDER,)

BY_NAME: Final[Providers] = {provider.name: provider for provider in PROVIDERS}
CARRIED: Final[CarriedChannels] = {provider.name: provider.channels for provider in PROVIDERS}
