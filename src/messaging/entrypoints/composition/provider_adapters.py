"""Builds the adapter of every provider, and sorts their parts by what they are asked for."""

from collections.abc import Mapping
from typing import TypeVar

from msgspec import Struct

from messaging.adapters.providers.tools import Tools
from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.application.ports.providers.descriptor import Provider
from messaging.application.ports.providers.lookup import StatusLookup
from messaging.application.ports.providers.numbers import NumberDirectory
from messaging.application.ports.providers.sending import ProviderGateway
from messaging.application.ports.providers.setup import AccountSetup
from messaging.application.ports.providers.templates import TemplateRegistry
from messaging.application.ports.providers.webhooks import WebhookDoor, WebhookReader
from messaging.entrypoints.composition.providers import PROVIDERS
from messaging.entrypoints.composition.resources import Resources
from messaging.entrypoints.settings.settings import Settings

T = TypeVar("T")


class AdapterParts(Struct, frozen=True, kw_only=True):
    """Every provider's parts, by its name; a provider without a part is not in that part's mapping."""

    adapters: Mapping[str, ProviderAdapter]
    gateways: Mapping[str, ProviderGateway]
    readers: Mapping[str, WebhookReader]
    lookups: Mapping[str, StatusLookup]
    registries: Mapping[str, TemplateRegistry]
    directories: Mapping[str, NumberDirectory]
    setups: Mapping[str, AccountSetup]
    doors: Mapping[str, WebhookDoor]


def build_adapters(settings: Settings, resources: Resources) -> AdapterParts:
    adapters = {
        provider.name: provider.build(
            Tools(
                http=resources.http,
                settings=settings_of(provider, settings),
                sandbox_url=settings.sandbox_base_url.value.rstrip("/"),
                webhooks_url=settings.webhooks_public_url.value.rstrip("/"),
                on_close=resources.on_close,
                rule=resources.rule,
            )
        )
        for provider in PROVIDERS
    }
    return AdapterParts(
        adapters=adapters,
        gateways={name: adapter.gateway for name, adapter in adapters.items()},
        readers={name: adapter.webhooks for name, adapter in adapters.items()},
        lookups=_those({name: adapter.lookup for name, adapter in adapters.items()}),
        registries=_those({name: adapter.templates for name, adapter in adapters.items()}),
        directories=_those({name: adapter.numbers for name, adapter in adapters.items()}),
        setups=_those({name: adapter.setup for name, adapter in adapters.items()}),
        doors=_those({name: adapter.door for name, adapter in adapters.items()}),
    )


def settings_of(provider: Provider, settings: Settings) -> Struct:
    """The provider's own settings; its defaults if the settings were read without those of providers."""
    return settings.of_providers.get(provider.name) or provider.settings()


def _those(parts: Mapping[str, T | None]) -> dict[str, T]:
    return {name: part for name, part in parts.items() if part is not None}
