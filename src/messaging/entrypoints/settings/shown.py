"""Shows settings: the reference of all there are, and those in force with secrets redacted."""

from collections.abc import Mapping
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from messaging.application.ports.providers.descriptor import descriptions_in, formats_of
from messaging.entrypoints.settings.settings import GROUPS, PREFIX, ProviderGroup, Settings, env_name, fields_of
from messaging.entrypoints.settings.values import HttpUrl, MasterKey, Secret, Url


class Described(Struct, frozen=True, kw_only=True):
    """One line of the settings reference."""

    name: str
    default: str
    description: str


def describe(providers: Mapping[str, ProviderGroup]) -> tuple[Described, ...]:
    """Every setting there is, in the order of declaration; those of providers come last."""
    groups = [(group, PREFIX) for group in GROUPS] + [(group.kind, group.prefix) for group in providers.values()]
    described = (_described(group, prefix, field) for group, prefix in groups for field in fields_of(group))
    # Two groups may share a setting.
    return tuple(dict.fromkeys(described))


def _described(group: type[Struct], prefix: str, field: msgspec.structs.FieldInfo) -> Described:
    annotated = get_type_hints(group, include_extras=True)[field.name]
    default = "required" if field.required else _show(annotated, field.default)
    return Described(
        name=prefix + field.name.upper(), default=default, description=" ".join(descriptions_in(annotated))
    )


def show(value: object) -> str:
    """A value as `app config` prints it: secrets redacted."""
    match value:
        case None:
            return "unset"
        case Url():
            return value.shown
        case Secret() | MasterKey():
            return "***"
        case _:
            return str(value)


def effective(settings: Settings, providers: Mapping[str, ProviderGroup]) -> dict[str, str]:
    """The settings in force, by their names in the environment, with secrets redacted."""
    shown = {env_name(field.name): show(getattr(settings, field.name)) for field in fields_of(Settings)}
    for name, group in providers.items():
        own = settings.of_providers[name]
        for field in fields_of(group.kind):
            shown[group.prefix + field.name.upper()] = _show(field.type, getattr(own, field.name))
    return shown


def _show(type_: Any, value: object) -> str:
    """A value as its type allows: providers' settings are plain texts, and their types tell which are secrets."""
    formats = formats_of(type_) if isinstance(value, str) else ()
    if "password" in formats:
        return "***"
    return HttpUrl(value).shown if "uri" in formats and isinstance(value, str) else show(value)
