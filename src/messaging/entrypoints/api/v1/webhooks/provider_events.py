"""Events of providers that the platform does not interpret yet: /v1/provider-events."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta

from messaging.application.ports.provider_events import ProviderEventFilter
from messaging.application.webhooks.queries import FindProviderEvent, ListProviderEvents, ProviderEventView
from messaging.domain.shared.ids import AccountId, EventId, Prefix, parse_typeid
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import NOBODY, in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.operations import operation


class ProviderEventsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    account_id: Annotated[str, Meta(min_length=1, max_length=100)] | None = None

    def to_wanted(self) -> ProviderEventFilter:
        account = None if self.account_id is None else parse_typeid(Prefix.ACCOUNT, self.account_id) or NOBODY
        return ProviderEventFilter(kind=self.kind, account_id=None if account is None else AccountId(account))


LIST = Query(ProviderEventsQuery)


class ProviderEventsController(Controller):
    path = "/v1/provider-events"

    @get(
        "/",
        opt=operation(
            "list_provider_events",
            "Provider events",
            "List what providers told and what changes nothing here yet, newest first",
            description="Account and number notices, capabilities, security, preferences, history, echoes, calls, "
            "messages to a number that is not connected, and whatever could not be read.",
            query=ProviderEventsQuery,
            returns=ListView[ProviderEventView],
        ),
    )
    async def list_provider_events(
        self,
        request: TenantRequest,
        list_provider_events: NamedDependency[ListProviderEvents],
        cursors: NamedDependency[Cursors],
    ) -> ListView[ProviderEventView]:
        query = LIST.read(request)
        before = cursors.uuid(request, query)
        page = await list_provider_events(
            request.auth, query.to_wanted(), before=None if before is None else EventId(before), limit=query.limit
        )
        return cursors.view(request, query, page)

    @get(
        "/{event_id:str}",
        opt=operation(
            "get_provider_event", "Provider events", "Get an event with all its content", returns=ProviderEventView
        ),
    )
    async def get_provider_event(
        self,
        request: TenantRequest,
        event_id: FromPath[str],
        find_provider_event: NamedDependency[FindProviderEvent],
    ) -> ProviderEventView:
        return await find_provider_event(request.auth, EventId(in_path(Prefix.EVENT, event_id)))
