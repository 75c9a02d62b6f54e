"""The providers there are, one line each. What depends on which there are is derived from this list."""

from collections.abc import Mapping
from typing import Final

from messaging.adapters.providers import smtp, twilio, whatsapp_cloud
from messaging.application.ports.providers.descriptor import CarriedChannels, Provider, Providers
from messaging.entrypoints.settings.settings import PREFIX, ProviderGroup

PROVIDERS: Final[tuple[Provider, ...]] = (whatsapp_cloud.PROVIDER, twilio.PROVIDER, smtp.PROVIDER)

BY_NAME: Final[Providers] = {provider.name: provider for provider in PROVIDERS}
CARRIED: Final[CarriedChannels] = {provider.name: provider.channels for provider in PROVIDERS}


def settings_groups() -> Mapping[str, ProviderGroup]:
    """The operator's settings of each provider: `APP_`, the provider's prefix or name, and the field."""
    return {provider.name: ProviderGroup(provider.settings, _prefix(provider)) for provider in PROVIDERS}


def _prefix(provider: Provider) -> str:
    return f"{PREFIX}{(provider.settings_prefix or provider.name).upper()}_"
