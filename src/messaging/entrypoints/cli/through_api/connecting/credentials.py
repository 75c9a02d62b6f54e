"""Makes the options by which a command is given the credentials of a provider, from the provider's descriptor."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import rich_click as click
from msgspec.structs import FieldInfo, fields

from messaging.application.ports.providers.descriptor import Provider, description_of

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

_PLAIN: Final[dict[Any, click.ParamType[Any]]] = {int: click.INT, float: click.FLOAT, bool: click.BOOL}
# Keeps credentials apart from the other parameters of a command.
_PREFIX: Final = "credential_"


def credential_options(provider: Provider, prefix: str) -> Iterator[Decorator]:
    """An option for each credential, which is taken from `<prefix>_<FIELD>` in the environment too."""
    hints = get_type_hints(provider.credentials)
    for field in fields(provider.credentials):
        yield _option(field, hints[field.name], prefix)


def credentials_in(provider: Provider, given: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a command's arguments that are credentials, by the field's name, without what was not given. What is
    required and was not given is asked for now.
    """
    found, hints = {}, get_type_hints(provider.credentials)
    for field in fields(provider.credentials):
        value = given[f"{_PREFIX}{field.name}"]
        if value not in (None, ()):
            found[field.name] = list(value) if isinstance(value, tuple) else value
        elif field.required:
            found[field.name] = _typed(field.name, hints[field.name])
    return found


def with_options(command: Callable[..., None], options: list[Decorator]) -> Callable[..., None]:
    """The command with the options, which its help lists in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def _option(field: FieldInfo, hint: Any, prefix: str) -> Decorator:
    """The option of one credential.

    A credential that may have several values is an option that may be repeated, and is called in the singular too.
    """
    several = _is_several(hint)
    names = [field.name, _singular(field.name)] if several else [field.name]
    return click.option(
        *(f"--{name.replace('_', '-')}" for name in dict.fromkeys(names)),
        f"{_PREFIX}{field.name}",
        type=_type(hint),
        multiple=several,
        envvar=[f"{prefix}_{name.upper()}" for name in names],
        show_envvar=True,
        help=description_of(field.type),
    )


def _typed(name: str, hint: Any) -> Any:
    """What is typed in, without an echo; the API says what is wrong with it."""
    several = _is_several(hint)
    said = (_singular(name) if several else name).replace("_", " ").capitalize()
    typed = click.prompt(said, hide_input=True, err=True, type=_type(hint))
    return [typed] if several else typed


def _kind(hint: Any) -> Any:
    """The type of a value, where it may be left out too."""
    members = get_args(hint) if type(None) in get_args(hint) else (hint,)
    return next(member for member in members if member is not type(None))


def _is_several(hint: Any) -> bool:
    return get_origin(_kind(hint)) in (tuple, list, frozenset)


def _type(hint: Any) -> click.ParamType[Any]:
    kind = _kind(hint)
    return click.Choice(get_args(kind)) if get_origin(kind) is Literal else _PLAIN.get(kind, click.STRING)


def _singular(name: str) -> str:
    return name.removesuffix("s")
