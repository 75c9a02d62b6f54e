"""Counts of messages by status and reason: /v1/messages/summary."""

from typing import Annotated

from litestar import Controller, get
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from messaging.application.messages.reading.summarize import MessageSummaryView, SummarizeMessages, SummaryWanted
from messaging.domain.channels.address import Channel
from messaging.entrypoints.api.decoding.queries import Query, within_reason
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.operations import operation
from messaging.entrypoints.api.v1.messages.submitting import Instant


class SummaryQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    created_after: Instant | None = None
    created_before: Instant | None = None
    template: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    channel: Channel | None = None

    def to_wanted(self) -> SummaryWanted:
        return SummaryWanted(
            created_after=within_reason(self.created_after),
            created_before=within_reason(self.created_before),
            template=self.template,
            channel=self.channel,
        )


SUMMARY = Query(SummaryQuery)


class MessageSummaryController(Controller):
    path = "/v1/messages/summary"

    @get(
        "/",
        opt=operation(
            "summarize_messages",
            "Messages",
            "Count messages by status and by reason",
            description="Of the messages accepted in a range, by default the last 24 hours. They are counted newest "
            "first, up to 250 000 of them or for about two seconds; where that was not enough, `truncated` is true and "
            "`counted_since` tells how far it came. A shorter range counts all.",
            query=SummaryQuery,
            returns=MessageSummaryView,
        ),
    )
    async def summarize(
        self, request: TenantRequest, summarize_messages: NamedDependency[SummarizeMessages]
    ) -> MessageSummaryView:
        return await summarize_messages(request.auth, SUMMARY.read(request).to_wanted())
