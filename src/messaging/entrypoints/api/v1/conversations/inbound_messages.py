"""Messages that people wrote to a tenant's senders: /v1/inbound-messages."""

from litestar import Controller, get
from litestar.di import NamedDependency

from messaging.application.conversations.queries import InboundView, ListInbound
from messaging.domain.shared.ids import InboundId
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.operations import operation

PAGE = Query(PageQuery)


class InboundController(Controller):
    path = "/v1/inbound-messages"

    @get(
        "/",
        opt=operation(
            "list_inbound_messages",
            "Inbound messages",
            "List what people wrote to you, newest first",
            query=PageQuery,
            returns=ListView[InboundView],
        ),
    )
    async def list_inbound(
        self,
        request: TenantRequest,
        list_inbound: NamedDependency[ListInbound],
        cursors: NamedDependency[Cursors],
    ) -> ListView[InboundView]:
        query = PAGE.read(request)
        before = cursors.uuid(request, query)
        page = await list_inbound(request.auth, before=None if before is None else InboundId(before), limit=query.limit)
        return cursors.view(request, query, page)
