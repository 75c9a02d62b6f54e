"""Blanks what must not be read in a log: fields that name secrets or people, and texts that look like either."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from structlog.typing import EventDict, WrappedLogger

from messaging.application.ports.providers.descriptor import Provider

BLANK: Final = "[redacted]"
_NAMES: Final = frozenset(
    {
        *("to", "recipient", "recipients", "phone", "email", "address", "wa_id", "from", "user_id", "profile"),
        *("body", "content", "contents", "payload", "text", "caption", "variables", "parameters", "metadata"),
        *("authorization", "token", "access_token", "webhook_token", "secret", "password", "api_key", "master_key"),
        *("credentials", "cookie", "idempotency_key"),
    }
)
_LOOKS_SECRET: Final = re.compile(
    r"mpk_(?:live|test|admin)_[A-Za-z0-9_]+"  # our keys
    r"|(?i:bearer)\s+[^\s\"',]+"
    r"|(?<=/webhooks/)[a-z_]+/[A-Za-z0-9_-]{16,}"  # webhook paths are secrets
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # credentials in a URL
    r"|\+[1-9][0-9]{6,14}\b"  # phone numbers
    # E-mail addresses, also as they stand in a URL.
    r"|[^\s\"'<>()\[\],;:=/?&@]{1,64}(?:@|%40)[\w-]{1,63}(?:\.[\w-]{1,63})+"
)
# Whatever looks secret contains one of these in lower case. Nearly every text has none, which is found sooner.
_SIGNS: Final = ("mpk_", "bearer", "/webhooks/", "://", "+", "@", "%40")
# The literal text that a pattern begins with.
_BEGINS: Final = re.compile(r"(?:\(\?i\))?(?:\\b)?([A-Za-z0-9_ -]{2,})(?![?*{|])")


class Redaction:
    """The rules of one process. `names` are fields and `patterns` texts beyond those that every process blanks."""

    def __init__(self, *, names: Iterable[str] = (), patterns: Collection[str] = ()) -> None:
        self._names = _NAMES.union(names)
        self._patterns = (_LOOKS_SECRET, *map(re.compile, patterns))
        self._signs = (*_SIGNS, *map(_sign, patterns))

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """The event without what must not be read: fields are judged by name, texts by their look."""
        return {key: BLANK if key in self._names else self._clean(value) for key, value in event.items()}

    def names_none(self, event: Mapping[str, object]) -> bool:
        """Whether no field is blanked for its name."""
        return self._names.isdisjoint(event)

    def may_hide(self, text: str) -> bool:
        """Whether something in the text may have to be blanked."""
        lower = text.lower()
        return any(map(lower.__contains__, self._signs))

    def text(self, text: str) -> str:
        """The text without what looks like a secret or a person."""
        if self.may_hide(text):
            for pattern in self._patterns:
                text = pattern.sub(BLANK, text)
        return text

    def _clean(self, value: object) -> object:
        match value:
            case str():
                return self.text(value)
            case None | bool() | int() | float():
                return value
            case Mapping():
                return {key: BLANK if key in self._names else self._clean(item) for key, item in value.items()}
            case list() | tuple():
                return [self._clean(item) for item in value]
            case _:
                return self.text(str(value))


def redaction_of(providers: Iterable[Provider]) -> Redaction:
    """Blanks the providers' credentials by name, of several also by the singular, and their secrets by their look."""
    names, patterns = set[str](), list[str]()
    for provider in providers:
        patterns += provider.secret_patterns
        for name in _secret_fields(provider):
            names |= {name, name.removesuffix("s")}
    return Redaction(names=names, patterns=patterns)


def _secret_fields(provider: Provider) -> Iterator[str]:
    """The credentials that are texts. A number, a choice or a yes says too little to be secret, and is often a name of
    something else: `port`.
    """
    for name, hint in get_type_hints(provider.credentials).items():
        if str in _members(hint):
            yield name


def _members(hint: Any) -> Iterator[Any]:
    if get_origin(hint) is Literal:
        return
    yield hint
    for part in get_args(hint):
        yield from _members(part)


def _sign(pattern: str) -> str:
    """What is in every text that the pattern finds, in lower case; empty if it does not begin with a plain text."""
    found = _BEGINS.match(pattern)
    return "" if found is None or "|" in pattern else found[1].lower()
