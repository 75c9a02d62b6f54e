"""Settings of commands: from the environment, or else from the `app dev` that runs on this machine.

The two are never mixed: one setting of a group in the environment, and the whole group is taken from there.
"""

import os
from collections.abc import Mapping
from typing import Final

from messaging.entrypoints.cli.failures import say
from messaging.entrypoints.lab.dev.profile import find_profile, profile_path
from messaging.entrypoints.settings.settings import ClientSettings, ProviderGroup, Settings, load

_OF_CALLERS: Final = ("APP_API_URL", "APP_API_KEY")
_OF_THE_PLATFORM: Final = (
    *("APP_DATABASE_URL", "APP_DATABASE_SYSTEM_URL", "APP_DATABASE_OWNER_URL"),
    *("APP_REDIS_URL", "APP_MASTER_KEY"),
)
# Where the platform's other processes are. These alone do not make the environment name a platform.
_BESIDE_THE_PLATFORM: Final = ("APP_WEBHOOKS_PUBLIC_URL", "APP_SANDBOX_BASE_URL")


def client_settings() -> ClientSettings:
    """The API and key for commands that call the API. Raises BadSettings."""
    return load(ClientSettings, _environment(_OF_CALLERS), provider_settings)


def platform_settings() -> Settings:
    """The database, Redis and master key for commands that administer an installation. Raises BadSettings."""
    return load(Settings, _environment(_OF_THE_PLATFORM, _BESIDE_THE_PLATFORM), provider_settings)


def provider_settings() -> Mapping[str, ProviderGroup]:
    """The settings of the providers. The adapters load slowly, so they are imported when they are asked for."""
    from messaging.entrypoints.composition.providers import settings_groups

    return settings_groups()


def _environment(group: tuple[str, ...], beside: tuple[str, ...] = ()) -> Mapping[str, str]:
    if any(os.environ.get(name) or os.environ.get(f"{name}_FILE") for name in group):
        return os.environ
    profile = find_profile()
    if profile is None:
        return os.environ
    say(f"using the platform of `app dev` (pid {profile.pid}), from {profile_path()}")
    return {**os.environ, **{name: profile.settings[name] for name in (*group, *beside) if name in profile.settings}}
