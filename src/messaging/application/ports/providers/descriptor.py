"""The description of a provider, from which everything that depends on which providers there are is derived."""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from messaging.application.ports.providers.adapter import ProviderAdapter
from messaging.domain.channels.address import Channel
from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.channels.limits import SendLimits


class IdShape(Struct, frozen=True, kw_only=True):
    """The form of a provider's ids. They become parts of URLs, where `..` or `/` would lead elsewhere.

    `pattern` matches the whole id; `words` tells a person what it looks like, in one sentence without a full stop.
    `example` is one, made up.
    """

    pattern: str
    words: str
    example: str = ""

    def fits(self, text: str) -> bool:
        return re.fullmatch(self.pattern, text, re.ASCII) is not None


class Provider(Struct, frozen=True, kw_only=True):
    """A provider that the platform can use.

    `name` is its name in the API and in URLs, `title` its name for people. `credentials` and `settings` are frozen
    structs: the fields of the first are asked for when an account is connected, within the bounds and with the
    descriptions and examples of their `Meta`; a field without a default must be given. Those of the second are
    settings of the operator, called `APP_<settings_prefix>_<FIELD>` (the prefix is the name, unless another is given).
    `kept_credentials` are the fields that verify webhooks: they are kept when an account is disconnected, because
    receipts still arrive, and all others are forgotten. `account_id` and `sender_id` are the forms of its ids.
    `secret_patterns` are regular expressions of texts that are secrets wherever they stand; logs never show them.
    `build` takes the tools of the adapters, with an instance of `settings`.
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


# By provider's name.
Providers = Mapping[str, Provider]
CarriedChannels = Mapping[str, frozenset[Channel]]
