"""Sending messages and reading them back: /v1/messages."""

from typing import Annotated, Any, Literal

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from messaging.application.messages.accepting.check import CheckMessage, CheckView
from messaging.application.messages.accepting.submit import AcceptedView, BatchView, Reply, SubmitMessages
from messaging.application.messages.operating.cancel import CancelMessage
from messaging.application.messages.operating.retry import RetryMessage
from messaging.application.messages.reading.queries import FindMessage, ListEvents, ListMessages, Wanted
from messaging.application.messages.reading.trace import FindTrace, TraceView
from messaging.application.messages.reading.views import EventView, MessageView, StatusView
from messaging.domain.shared.ids import MessageId, Prefix
from messaging.entrypoints.api.decoding.bodies import Body, read_bytes, require_json
from messaging.entrypoints.api.decoding.calls import TenantCall
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query, within_reason
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.edge import name_span, trace_id_of
from messaging.entrypoints.api.edge.idempotency import Once, idempotency_of, json_response
from messaging.entrypoints.api.edge.limits import limit_headers
from messaging.entrypoints.api.edge.operations import operation
from messaging.entrypoints.api.v1.messages.submitting import (
    ENVELOPE,
    BatchBody,
    Instant,
    SubmitBody,
    read_item,
    read_submission,
)

# The public names of the states of the state machine; a test compares them with `State`.
PublicStatus = Literal[
    "scheduled",
    "queued",
    "sending",
    "unknown",
    "submitted",
    "sent",
    "delivered",
    "read",
    "failed",
    "expired",
    "cancelled",
    "unconfirmed",
    "dead",
]


class RetryBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`possible_duplicate` accepts that the recipient may get the message twice."""

    possible_duplicate: bool = False


class MessagesQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    to: Annotated[str, Meta(min_length=1, max_length=320)] | None = None
    status: Annotated[frozenset[PublicStatus], Meta(min_length=1)] | None = None
    reference: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    template: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    provider_message_id: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None
    error_code: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    updated_after: Instant | None = None
    updated_before: Instant | None = None

    def to_wanted(self) -> Wanted:
        return Wanted(
            to=None if self.to is None else _with_plus(self.to),
            statuses=self.status or frozenset(),
            reference=self.reference,
            template=self.template,
            provider_message_id=self.provider_message_id,
            created_after=within_reason(self.created_after),
            created_before=within_reason(self.created_before),
            error_code=self.error_code,
            updated_after=within_reason(self.updated_after),
            updated_before=within_reason(self.updated_before),
        )


def _with_plus(to: str) -> str:
    """The address with its '+', which arrives as a space where it was not percent-encoded."""
    return to.replace(" ", "+", 1) if to.startswith(" ") or ("@" in to and '"' not in to) else to


RETRY = Body(RetryBody)
LIST = Query(MessagesQuery)
PAGE = Query(PageQuery)

_EXAMPLE: dict[str, Any] = {
    "to": "+14155550100",
    "channel": "whatsapp",
    "content": {
        "type": "template",
        "name": "order_update",
        "language": "en_US",
        "variables": {"1": "Ana", "2": "A-1042"},
    },
    "reference": "order-1042",
}


# `express` calls these two functions as well, with a request of its own kind.


async def submit_one(request: TenantCall, submit_messages: SubmitMessages) -> Reply:
    submission, raw = await read_submission(request)
    reply = await submit_messages.one(request.auth, submission, key=idempotency_of(request, raw))
    name_span(request.scope, reply.span_id)
    return reply


async def submit_many(request: TenantCall, submit_messages: SubmitMessages) -> Reply:
    envelope, raw = await ENVELOPE.read(request)
    trace_id = trace_id_of(request.scope)
    items = [read_item(item, trace_id) for item in envelope.messages]
    reply = await submit_messages.many(request.auth, items, key=idempotency_of(request, raw))
    name_span(request.scope, reply.span_id)
    return reply


class MessagesController(Controller):
    path = "/v1/messages"

    @post(
        "/",
        status_code=202,
        opt=operation(
            "submit_message",
            "Messages",
            "Send a message",
            description="202 means committed: it will reach a reported end. A refusal lists every violation.",
            status=202,
            body=SubmitBody,
            example=_EXAMPLE,
            returns=AcceptedView,
            problems=("idempotency_key_reused", "request_in_flight", "rate_limited"),
        ),
    )
    async def submit(self, request: TenantRequest, submit_messages: NamedDependency[SubmitMessages]) -> Response[bytes]:
        return _answer(await submit_one(request, submit_messages))

    @post(
        "/batch",
        status_code=202,
        opt=operation(
            "submit_batch",
            "Messages",
            "Send up to 1 000 messages",
            description="Every item gets its own result, in order; the accepted ones are committed together.",
            status=202,
            body=BatchBody,
            example={"messages": [_EXAMPLE]},
            returns=BatchView,
            problems=("idempotency_key_reused", "request_in_flight", "rate_limited"),
        ),
    )
    async def submit_batch(
        self, request: TenantRequest, submit_messages: NamedDependency[SubmitMessages]
    ) -> Response[bytes]:
        return _answer(await submit_many(request, submit_messages))

    @post(
        "/check",
        status_code=200,
        opt=operation(
            "check_message",
            "Messages",
            "Say what would happen to a message, without sending it",
            body=SubmitBody,
            example=_EXAMPLE,
            returns=CheckView,
        ),
    )
    async def check(self, request: TenantRequest, check_message: NamedDependency[CheckMessage]) -> CheckView:
        submission, _ = await read_submission(request)
        return await check_message(request.auth, submission)

    @get(
        "/",
        opt=operation(
            "list_messages",
            "Messages",
            "List messages, newest first",
            description="A page may hold fewer messages than `limit`, even none, while `has_more` is true: by what "
            "changes (`status`, `error_code`, `updated_after`, `updated_before`) a page looks through at most 5 000 "
            "messages. `created_after` spares you the older ones.",
            query=MessagesQuery,
            returns=ListView[MessageView],
        ),
    )
    async def list_messages(
        self,
        request: TenantRequest,
        list_messages: NamedDependency[ListMessages],
        cursors: NamedDependency[Cursors],
    ) -> ListView[MessageView]:
        query = LIST.read(request)
        before = cursors.uuid(request, query)
        page = await list_messages(
            request.auth, query.to_wanted(), before=None if before is None else MessageId(before), limit=query.limit
        )
        return cursors.view(request, query, page)

    @get("/{message_id:str}", opt=operation("get_message", "Messages", "Get a message", returns=MessageView))
    async def get_message(
        self, request: TenantRequest, message_id: FromPath[str], find_message: NamedDependency[FindMessage]
    ) -> MessageView:
        return await find_message(request.auth, MessageId(in_path(Prefix.MESSAGE, message_id)))

    @get(
        "/{message_id:str}/events",
        opt=operation(
            "list_message_events",
            "Messages",
            "List a message's timeline, oldest first",
            query=PageQuery,
            returns=ListView[EventView],
        ),
    )
    async def list_events(
        self,
        request: TenantRequest,
        message_id: FromPath[str],
        list_events: NamedDependency[ListEvents],
        cursors: NamedDependency[Cursors],
    ) -> ListView[EventView]:
        query = PAGE.read(request)
        id = MessageId(in_path(Prefix.MESSAGE, message_id))
        page = await list_events(request.auth, id, after=cursors.number(request, query), limit=query.limit)
        return cursors.view(request, query, page)

    @get(
        "/{message_id:str}/trace",
        opt=operation(
            "get_message_trace",
            "Messages",
            "Get a message's trace",
            description="Its way as spans: the request, each attempt with the provider's call, each receipt. They are "
            "told from the timeline, and have the same ids as those that are exported to a collector.",
            returns=TraceView,
        ),
    )
    async def get_trace(
        self, request: TenantRequest, message_id: FromPath[str], find_trace: NamedDependency[FindTrace]
    ) -> TraceView:
        return await find_trace(request.auth, MessageId(in_path(Prefix.MESSAGE, message_id)))

    @post(
        "/{message_id:str}/cancel",
        status_code=200,
        opt=operation(
            "cancel_message",
            "Messages",
            "Cancel a message that no worker has taken up",
            returns=StatusView,
            problems=("state_conflict",),
        ),
    )
    async def cancel(
        self,
        request: TenantRequest,
        message_id: FromPath[str],
        cancel_message: NamedDependency[CancelMessage],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = MessageId(in_path(Prefix.MESSAGE, message_id))
        return await once(request, b"", lambda: cancel_message(request.auth, id), status=200)

    @post(
        "/{message_id:str}/retry",
        status_code=200,
        opt=operation(
            "retry_message",
            "Messages",
            "Send a dead, unconfirmed or failed message again",
            description="Refused with `duplicate_risk` unless the last attempt is proven not accepted, "
            "or the body says `possible_duplicate: true`. What the provider refused is proven; what it accepted and "
            "reported as failed later is not.",
            body=RetryBody,
            body_optional=True,
            example={"possible_duplicate": False},
            returns=StatusView,
            problems=("state_conflict", "duplicate_risk"),
        ),
    )
    async def retry(
        self,
        request: TenantRequest,
        message_id: FromPath[str],
        retry_message: NamedDependency[RetryMessage],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = MessageId(in_path(Prefix.MESSAGE, message_id))
        body, raw = await read_retry(request)
        return await once(
            request,
            raw,
            lambda: retry_message(request.auth, id, possible_duplicate=body.possible_duplicate),
            status=200,
        )


async def read_retry(request: TenantRequest) -> tuple[RetryBody, bytes]:
    """The body of a retry, which a caller may leave out."""
    raw = await read_bytes(request)
    if not raw:
        return RetryBody(), raw
    require_json(request)
    return RETRY.decode(raw), raw


def _answer(reply: Reply) -> Response[bytes]:
    response = json_response(reply.body, status=reply.status, replayed=reply.replayed)
    response.headers.update(limit_headers(reply.balances))
    return response
