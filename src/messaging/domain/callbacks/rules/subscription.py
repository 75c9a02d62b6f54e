"""Rules for what an endpoint is told: patterns of event types, and filters."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from messaging.domain.callbacks.endpoint import EVERY_TYPE, TEST_EVENT
from messaging.domain.callbacks.event_types import CATALOGUE, GROUPS, TYPES
from messaging.domain.channels.address import Channel
from messaging.domain.content.content_rules import MAX_METADATA_KEY, MAX_METADATA_VALUE
from messaging.domain.shared.category import Category
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.ids import Prefix, parse_typeid
from messaging.domain.shared.text import step

MAX_PATTERNS: Final = 50
MAX_FILTERS: Final = 10

_METADATA: Final = "metadata."
_VALUES: Final[Mapping[str, tuple[str, ...]]] = {
    "channel": tuple(channel.value for channel in Channel),
    "category": tuple(category.value for category in Category),
}
_FIELDS: Final = (*_VALUES, "sender_id")


def type_violations(patterns: Sequence[str]) -> tuple[Violation, ...]:
    """All that is wrong with an endpoint's patterns of event types; pointers are relative to the endpoint."""
    return tuple(_type_violations(patterns))


def filter_violations(filters: Mapping[str, str]) -> tuple[Violation, ...]:
    """All that is wrong with an endpoint's filters; pointers are relative to the endpoint."""
    found = [
        Violation(pointer=f"/filters{step(name)}", code="filter_invalid", detail=detail)
        for name, value in filters.items()
        if (detail := _filter_problem(name, value)) is not None
    ]
    if len(filters) > MAX_FILTERS:
        detail = f"There are {len(filters)} filters; at most {MAX_FILTERS} may be combined. Remove some."
        found.insert(0, Violation(pointer="/filters", code="filter_invalid", detail=detail))
    return tuple(found)


def _type_violations(patterns: Sequence[str]) -> Iterator[Violation]:
    if not 1 <= len(patterns) <= MAX_PATTERNS:
        detail = f"Name 1 to {MAX_PATTERNS} event types or patterns; `*` stands for all of them."
        yield Violation(pointer="/event_types", code="event_type_unknown", detail=detail)
    for position, pattern in enumerate(patterns[: MAX_PATTERNS + 1]):
        if (problem := _pattern_problem(pattern)) is not None:
            yield Violation(pointer=f"/event_types/{position}", code="event_type_unknown", detail=problem)


def _pattern_problem(pattern: str) -> str | None:
    if pattern == TEST_EVENT:
        return "Test events are sent to every endpoint that asks for one. Leave this out."
    if pattern == EVERY_TYPE or pattern in TYPES or (pattern.endswith(".*") and pattern[:-2] in GROUPS):
        return None
    if pattern.endswith("*"):
        return f"Patterns are `*` and a group with `.*`: {', '.join(f'{group}.*' for group in GROUPS)}."
    near = difflib.get_close_matches(pattern[:100], [type.name for type in CATALOGUE], n=1)
    meant = f" Did you mean {near[0]}?" if near else ""
    return f"There is no such event type.{meant} GET /v1/event-types lists them all."


def _filter_problem(name: str, value: str) -> str | None:
    if name.startswith(_METADATA):
        fits = len(name) - len(_METADATA) in range(1, MAX_METADATA_KEY + 1) and len(value) <= MAX_METADATA_VALUE
        return None if fits else "No metadata has such a key or value, so nothing would ever match. Change the filter."
    if name == "sender_id":
        known = parse_typeid(Prefix.SENDER, value) is not None
        return None if known else "Not the id of a sender (snd_…). GET /v1/senders lists them."
    if name not in _VALUES:
        return f"Events cannot be filtered by this. Use {', '.join(_FIELDS)} or metadata.<key>."
    return None if value in _VALUES[name] else f"Use one of {', '.join(_VALUES[name])}."
