"""All rules for what a tenant chooses about an endpoint, together: whatever is wrong is listed at once."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from msgspec import Struct

from messaging.domain.callbacks.endpoint import Include, Ordering
from messaging.domain.callbacks.rules.address import url_violations
from messaging.domain.callbacks.rules.headers import header_violations
from messaging.domain.callbacks.rules.subscription import filter_violations, type_violations
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.mode import Mode
from messaging.domain.shared.text import control_character, is_clean, too_long, utf16_units

MAX_DESCRIPTION: Final = 200


class Chosen(Struct, frozen=True, kw_only=True):
    """What a tenant chooses about an endpoint. Without a URL nothing is posted."""

    url: str | None
    description: str
    event_types: tuple[str, ...]
    filters: Mapping[str, str]
    include: tuple[Include, ...]
    ordering: Ordering
    max_in_flight: int
    rate: int | None
    headers: Mapping[str, str]


def endpoint_violations(chosen: Chosen, mode: Mode, denied_ports: Collection[int] = ()) -> tuple[Violation, ...]:
    """Everything that is wrong; pointers are relative to the endpoint. The operator may deny ports."""
    return (
        *(() if chosen.url is None else url_violations(chosen.url, mode, denied_ports)),
        *_description_violations(chosen.description),
        *type_violations(chosen.event_types),
        *filter_violations(chosen.filters),
        *header_violations(chosen.headers),
    )


def _description_violations(text: str) -> Iterator[Violation]:
    if not is_clean(text):
        yield control_character("/description")
    if (units := utf16_units(text)) > MAX_DESCRIPTION:
        yield too_long("/description", units=units, limit=MAX_DESCRIPTION)
