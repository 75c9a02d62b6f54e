"""The providers there are, one line each. What depends on which there are is derived from this list."""

from collections.abc import Iterable, Mapping
from typing import Final

from messaging.adapters.providers import smtp, twilio, whatsapp_cloud
from messaging.application.ports.providers.descriptor import CarriedChannels, Provider, Providers
from messaging.domain.channels.address import Channel
from messaging.entrypoints.settings.settings import PREFIX, ProviderGroup

PROVIDERS: Final[tuple[Provider, ...]] = (whatsapp_cloud.PROVIDER, twilio.PROVIDER, smtp.PROVIDER)

BY_NAME: Final[Providers] = {provider.name: provider for provider in PROVIDERS}
CARRIED: Final[CarriedChannels] = {provider.name: provider.channels for provider in PROVIDERS}
CHANNELS: Final[tuple[Channel, ...]] = tuple(sorted(frozenset().union(*CARRIED.values())))


def settings_groups(providers: Iterable[Provider] = PROVIDERS) -> Mapping[str, ProviderGroup]:
    """The operator's settings of each provider: `APP_`, the provider's prefix or name, and the field."""
    return {it.name: ProviderGroup(it.settings, f"{PREFIX}{prefix_of(it)}_") for it in providers}


def prefix_of(provider: Provider) -> str:
    """What names in the environment that are of this provider begin with, in capitals."""
    return (provider.settings_prefix or provider.name).upper()
