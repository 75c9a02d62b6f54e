"""The description of a provider, from which everything that depends on which providers there are is derived."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, get_args

import msgspec
from msgspec import Meta, Struct

from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import SendLimits

# Types of an operator's settings: the URL of an HTTP API, whose password is not shown, and a text that is not shown.
HttpUrl = Annotated[str, Meta(pattern=r"^https?://[^/\s]\S*$", extra_json_schema={"format": "uri"})]
Secret = Annotated[str, Meta(extra_json_schema={"format": "password"})]


class IdShape(Struct, frozen=True, kw_only=True):
    """The form of a provider's ids. They become parts of URLs, where `..` or `/` would lead elsewhere.

    `pattern` matches the whole id; `words` tells a person what it looks like, in one sentence without a full stop.
    `example` is one, made up. `called` is what the provider's own pages call it, as the name of an option
    (`account-sid`). `unlisted` matches the ids that the provider has in no list: it cannot be asked whose they are.
    """

    pattern: str
    words: str
    example: str = ""
    called: str = ""
    unlisted: str = ""

    def listed(self, text: str) -> bool:
        """Whether the provider lists it among the account's, if it is one."""
        return re.fullmatch(self.unlisted, text, re.ASCII) is None

    def fits(self, text: str) -> bool:
        return re.fullmatch(self.pattern, text, re.ASCII) is not None


class Subscription(Struct, frozen=True, kw_only=True):
    """A subscription to an account's webhooks at its provider.

    `override`: unless told otherwise, they go to the account's own URL whatever the provider was told before. Without
    an override they go `otherwise`, words that follow "webhooks are delivered".
    """

    override: bool
    otherwise: str


class Steps(Struct, frozen=True, kw_only=True):
    """The steps between an account's credentials and its first message, as far as providers differ in them.

    `subscription` is None where there is nothing to subscribe to. `registers_numbers`: a number that is not connected
    yet is registered with a PIN. `chosen` are the credentials that are words of the tenant's own choice: one that is
    left out is made up.
    """

    subscription: Subscription | None = None
    registers_numbers: bool = False
    chosen: frozenset[str] = frozenset()


class Provider(Struct, frozen=True, kw_only=True):
    """A provider that the platform can use.

    `name` is its name in the API and in URLs, `title` its name for people. `credentials` and `settings` are frozen
    structs: the fields of the first are asked for when an account is connected, within the bounds and with the
    descriptions and examples of their `Meta`; a field without a default must be given. Those of the second are
    settings of the operator, called `APP_<settings_prefix>_<FIELD>` (the prefix is the name, unless another is given).
    `kept_credentials` are the fields that verify webhooks: they are kept when an account is disconnected, because
    receipts still arrive, and all others are forgotten. `account_id` and `sender_id` are the forms of its ids, and
    `steps` is what `app connect` does besides storing them.
    `secret_patterns` are regular expressions of texts that are secrets wherever they stand; logs never show them, nor
    fields called as a credential. One that begins with a plain text (`\\bEAA…`) costs next to nothing, any other some
    microseconds per line.
    `build` takes the tools of the adapters, with an instance of `settings`. It imports the adapter itself, so that
    commands that need the description alone start fast.
    """

    name: str
    title: str
    channels: frozenset[Channel]
    credentials: type[Struct]
    settings: type[Struct]
    capabilities: Capabilities
    limits: SendLimits
    account_id: IdShape
    sender_id: IdShape
    build: Callable[..., ProviderAdapter]
    kept_credentials: frozenset[str] = frozenset()
    settings_prefix: str = ""
    secret_patterns: tuple[str, ...] = ()
    steps: Steps = Steps()


# By provider's name.
Providers = Mapping[str, Provider]
CarriedChannels = Mapping[str, frozenset[Channel]]


def description_of(type_: Any) -> str:
    """What the type of a credential or setting says of it: `Annotated[str, Meta(description=…)]`."""
    return next((part["description"] for part in _parts(type_) if part.get("description")), "")


def example_of(type_: Any) -> Any:
    """The first example, or None."""
    return next((part["examples"][0] for part in _parts(type_) if part.get("examples")), None)


def formats_of(type_: Any) -> frozenset[str]:
    return frozenset(part["format"] for part in _parts(type_) if "format" in part)


def descriptions_in(type_: Any) -> Iterator[str]:
    """Every description of the type, and of the members of a union."""
    for meta in get_args(type_):
        if not isinstance(meta, Meta):
            yield from descriptions_in(meta)
        elif meta.description:
            yield meta.description


def _parts(type_: Any) -> Iterator[dict[str, Any]]:
    """The JSON schema, and those of its alternatives."""
    schema = msgspec.json.schema(type_)
    yield schema
    yield from schema.get("anyOf", ())
