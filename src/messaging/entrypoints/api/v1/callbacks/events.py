"""Events as callbacks tell them, kept for 30 days: /v1/events."""

from typing import Annotated, Final
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from messaging.application.callbacks.announcing.queries import (
    CallbackEventsView,
    CallbackEventView,
    FindCallbackEvent,
    ListCallbackEvents,
)
from messaging.application.ports.callbacks.events import EventFilter
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import CallbackEventId, Prefix, decode_uuid, parse_typeid
from messaging.entrypoints.api.decoding.ids import NOBODY, in_path
from messaging.entrypoints.api.decoding.queries import DEFAULT_LIMIT, Limit, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.operations import operation

# What an event may be about, by the prefix of its id.
_SUBJECTS: Final = (
    Prefix.MESSAGE,
    Prefix.INBOUND,
    Prefix.TEMPLATE,
    Prefix.SENDER,
    Prefix.ACCOUNT,
    Prefix.CALLBACK_ENDPOINT,
)


class EventsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = DEFAULT_LIMIT
    after: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=100,
                description="Only later events: the id of an event, as of the last callback that came, or the "
                "`next_cursor` of the page before. Without it, the page begins with the oldest event there is.",
            ),
        ]
        | None
    ) = None
    type: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=100,
                description="Only events of this type; `message.*` for all of a group.",
            ),
        ]
        | None
    ) = None
    subject: (
        Annotated[
            str,
            Meta(min_length=1, max_length=100, description="Only events about this message, template, … by its id."),
        ]
        | None
    ) = None

    def to_wanted(self) -> EventFilter:
        kind = None if self.type in (None, "*") else self.type
        return EventFilter(type=kind, subject_id=None if self.subject is None else _subject(self.subject))


LIST = Query(EventsQuery)


class EventsController(Controller):
    path = "/v1/events"

    @get(
        "/",
        opt=operation(
            "list_events",
            "Callbacks",
            "List events of the last 30 days, oldest first",
            description="What callbacks told, or would have told: events are recorded while you have an endpoint in "
            "this mode, also one without a URL. Whoever lost callbacks gives the id of the last one as `after`, and "
            "then each `next_cursor`: no event is left out, and none comes twice. Recipients and contents are not "
            "shown here.",
            query=EventsQuery,
            returns=CallbackEventsView,
        ),
    )
    async def list_events(
        self, request: TenantRequest, list_callback_events: NamedDependency[ListCallbackEvents]
    ) -> CallbackEventsView:
        query = LIST.read(request)
        after = None if query.after is None else _position(query.after)
        return await list_callback_events(request.auth, query.to_wanted(), after=after, limit=query.limit)

    @get(
        "/{event_id:str}",
        opt=operation("get_event", "Callbacks", "Get an event of the last 30 days", returns=CallbackEventView),
    )
    async def get_event(
        self,
        request: TenantRequest,
        event_id: FromPath[str],
        find_callback_event: NamedDependency[FindCallbackEvent],
    ) -> CallbackEventView:
        return await find_callback_event(request.auth, CallbackEventId(in_path(Prefix.EVENT, event_id)))


def _position(text: str) -> CallbackEventId:
    found = parse_typeid(Prefix.EVENT, text)
    if found is None:
        raise DomainError("cursor_invalid", "Give the id of an event (evt_…), or next_cursor as it was given.")
    return CallbackEventId(found)


def _subject(text: str) -> UUID:
    """The id of a subject; one of no known kind names nothing."""
    head, _, tail = text.rpartition("_")
    return decode_uuid(tail) or NOBODY if head in set(_SUBJECTS) else NOBODY
