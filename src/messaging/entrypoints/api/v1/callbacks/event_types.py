"""The catalogue of events: GET /v1/event-types, each with the JSON schema of its body and a sample."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from litestar import Controller, get
from msgspec import Meta, Struct

from messaging.domain.callbacks.event_types import CATALOGUE, EventType
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.operations import operation
from messaging.entrypoints.api.v1.callbacks.endpoints import TAG
from messaging.entrypoints.api.v1.callbacks.event_bodies import sample_of, schema_of


class EventTypeView(Struct, frozen=True, kw_only=True):
    """A type of event. Types never change their meaning; further ones may come, and receivers ignore those."""

    name: Annotated[str, Meta(description="The body's `type`; may be named in an endpoint's `event_types`.")]
    group: Annotated[str, Meta(description="`<group>.*` in `event_types` stands for all types of the group.")]
    description: Annotated[str, Meta(description="When the event happens.")]
    schema: Annotated[Mapping[str, Any], Meta(description="JSON Schema (2020-12) of the body. Fields may be added.")]
    sample: Annotated[Mapping[str, Any], Meta(description="A body as it may be posted.")]


class EventTypesView(Struct, frozen=True, kw_only=True):
    """All types of events."""

    data: tuple[EventTypeView, ...]


class EventTypesController(Controller):
    path = "/v1/event-types"

    @get(
        "/",
        opt=operation(
            "list_event_types",
            TAG,
            "List all types of events, with schemas and samples",
            returns=EventTypesView,
        ),
        sync_to_thread=False,
    )
    def list_types(self, request: TenantRequest) -> EventTypesView:
        return _ALL


def _view(type: EventType) -> EventTypeView:
    return EventTypeView(
        name=type.name,
        group=type.group,
        description=type.description,
        schema=schema_of(type),
        sample=sample_of(type),
    )


_ALL: Final = EventTypesView(data=tuple(map(_view, CATALOGUE)))
