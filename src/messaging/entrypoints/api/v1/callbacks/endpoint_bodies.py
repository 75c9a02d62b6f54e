"""Bodies of requests about callback endpoints."""

from datetime import timedelta
from typing import Annotated, Any, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field

from messaging.application.callbacks.endpoints.change import EndpointChanges
from messaging.application.callbacks.endpoints.rotate import LONGEST_OVERLAP, USUAL_OVERLAP
from messaging.domain.callbacks.endpoint import EVERY_TYPE, Include, Ordering
from messaging.domain.callbacks.rules.endpoint import Chosen

_URL: Final = Meta(
    description="Where events are posted: https (in test mode also http), port 443, 8443 or from 1024 on, no user name."
)
_DESCRIPTION: Final = Meta(description="Your own note, of at most 200 characters.")
_TYPES: Final = Meta(
    description="Types of events, or patterns: `message.*` for a group, `*` for all. GET /v1/event-types lists them."
)
_FILTERS: Final = Meta(
    description="An event has to have all of these values (at most 10): `channel`, `sender_id`, `category` or "
    "`metadata.<key>`. One that has no such field, such as a template's, does not match."
)
_INCLUDE: Final = Meta(
    description="What bodies hold besides: `recipient` (addresses in clear), `content` (what a message says)."
)
_ORDERING: Final = Meta(
    description="`per_subject`: an event waits until the one before it about the same message was delivered or has "
    "ended. `none`: events are posted as they come; order them by `sequence`."
)
_IN_FLIGHT: Final = Meta(ge=1, le=32, description="The most requests that are under way to it at once.")
_RATE: Final = Meta(ge=1, le=1_000)
_OF_RATE: Final = Meta(description="The most requests a second; null: no limit.")
_HEADERS: Final = Meta(
    description="Headers of your own that every callback carries, at most 10; stored encrypted and never shown again."
)

EXAMPLE: Final[dict[str, Any]] = {
    "url": "https://hooks.example.com/messaging",
    "description": "Order system",
    "event_types": ["message.*", "inbound.received"],
    "filters": {"channel": "sms"},
}


class CreateCallbackEndpointBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A callback endpoint in the key's mode. With `url` null nothing is posted: read its events with GET /v1/events."""

    url: Annotated[str | None, _URL]
    description: Annotated[str, _DESCRIPTION] = ""
    event_types: Annotated[tuple[str, ...], _TYPES] = (EVERY_TYPE,)
    filters: Annotated[dict[str, str], _FILTERS] = field(default_factory=dict)
    include: Annotated[tuple[Include, ...], _INCLUDE] = ()
    ordering: Annotated[Ordering, _ORDERING] = Ordering.PER_SUBJECT
    max_in_flight: Annotated[int, _IN_FLIGHT] = 4
    rate: Annotated[Annotated[int, _RATE] | None, _OF_RATE] = None
    headers: Annotated[dict[str, str], _HEADERS] = field(default_factory=dict)

    def to_chosen(self) -> Chosen:
        return Chosen(
            url=self.url,
            description=self.description,
            event_types=self.event_types,
            filters=self.filters,
            include=tuple(dict.fromkeys(self.include)),
            ordering=self.ordering,
            max_in_flight=self.max_in_flight,
            rate=self.rate,
            headers=self.headers,
        )


class ChangeCallbackEndpointBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. `filters` and `headers` are replaced as a whole."""

    url: Annotated[str | UnsetType, _URL] = UNSET
    description: Annotated[str | UnsetType, _DESCRIPTION] = UNSET
    event_types: Annotated[tuple[str, ...] | UnsetType, _TYPES] = UNSET
    filters: Annotated[dict[str, str] | UnsetType, _FILTERS] = UNSET
    include: Annotated[tuple[Include, ...] | UnsetType, _INCLUDE] = UNSET
    ordering: Annotated[Ordering | UnsetType, _ORDERING] = UNSET
    max_in_flight: Annotated[Annotated[int, _IN_FLIGHT] | UnsetType, Meta(description=_IN_FLIGHT.description)] = UNSET
    rate: Annotated[Annotated[int, _RATE] | UnsetType | None, _OF_RATE] = UNSET
    headers: Annotated[dict[str, str] | UnsetType, _HEADERS] = UNSET

    def to_changes(self) -> EndpointChanges:
        return EndpointChanges(
            url=self.url,
            description=self.description,
            event_types=self.event_types,
            filters=self.filters,
            include=self.include,
            ordering=self.ordering,
            max_in_flight=self.max_in_flight,
            rate=self.rate,
            headers=self.headers,
        )


class RotateSecretBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long the secret that is replaced goes on signing."""

    overlap_seconds: Annotated[
        Annotated[int, Meta(ge=0, le=int(LONGEST_OVERLAP.total_seconds()))],
        Meta(description="How long both secrets sign; 0 if the old one has leaked."),
    ] = int(USUAL_OVERLAP.total_seconds())
    force: Annotated[
        bool, Meta(description="Rotate although the one before still signs from an earlier rotation; that one ends.")
    ] = False

    def overlap(self) -> timedelta:
        return timedelta(seconds=self.overlap_seconds)
