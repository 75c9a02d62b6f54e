"""Messages that will not be tried again without a person: /v1/dead-letters."""

from typing import Annotated

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Struct

from messaging.application.messages.operating.discard import DiscardDeadLetter
from messaging.application.messages.operating.retry import RetryDeadLetter
from messaging.application.messages.reading.queries import FindDeadLetter, ListDeadLetters
from messaging.application.messages.reading.views import DeadLetterView, StatusView
from messaging.domain.shared.ids import MessageId, Prefix
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.cursors import Cursors, ListView
from messaging.entrypoints.api.decoding.ids import in_path
from messaging.entrypoints.api.decoding.queries import PageQuery, Query
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation
from messaging.entrypoints.api.v1.messages.messages import RetryBody, read_retry


class DeadLettersQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    include_settled: Annotated[bool, Meta(description="Also those that were retried or discarded.")] = False


class DiscardBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why nobody needs the message any more; it goes into the timeline."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)]


LIST = Query(DeadLettersQuery)
DISCARD = Body(DiscardBody)


class DeadLettersController(Controller):
    path = "/v1/dead-letters"

    @get(
        "/",
        opt=operation(
            "list_dead_letters",
            "Dead letters",
            "List dead letters, newest first",
            query=DeadLettersQuery,
            returns=ListView[DeadLetterView],
        ),
    )
    async def list_dead_letters(
        self,
        request: TenantRequest,
        list_dead_letters: NamedDependency[ListDeadLetters],
        cursors: NamedDependency[Cursors],
    ) -> ListView[DeadLetterView]:
        query = LIST.read(request)
        before = cursors.uuid(request, query)
        page = await list_dead_letters(
            request.auth,
            before=None if before is None else MessageId(before),
            limit=query.limit,
            open_only=not query.include_settled,
        )
        return cursors.view(request, query, page)

    @get(
        "/{message_id:str}",
        opt=operation("get_dead_letter", "Dead letters", "Get a dead letter", returns=DeadLetterView),
    )
    async def get_dead_letter(
        self, request: TenantRequest, message_id: FromPath[str], find_dead_letter: NamedDependency[FindDeadLetter]
    ) -> DeadLetterView:
        return await find_dead_letter(request.auth, MessageId(in_path(Prefix.MESSAGE, message_id)))

    @post(
        "/{message_id:str}/retry",
        status_code=200,
        opt=operation(
            "retry_dead_letter",
            "Dead letters",
            "Send a dead letter again",
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
        retry_dead_letter: NamedDependency[RetryDeadLetter],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = MessageId(in_path(Prefix.MESSAGE, message_id))
        body, raw = await read_retry(request)
        return await once(
            request,
            raw,
            lambda: retry_dead_letter(request.auth, id, possible_duplicate=body.possible_duplicate),
            status=200,
        )

    @post(
        "/{message_id:str}/discard",
        status_code=200,
        opt=operation(
            "discard_dead_letter",
            "Dead letters",
            "Settle a dead letter without sending",
            body=DiscardBody,
            example={"reason": "The order was cancelled."},
            returns=DeadLetterView,
            problems=("state_conflict",),
        ),
    )
    async def discard(
        self,
        request: TenantRequest,
        message_id: FromPath[str],
        discard_dead_letter: NamedDependency[DiscardDeadLetter],
        once: NamedDependency[Once],
    ) -> Response[bytes]:
        id = MessageId(in_path(Prefix.MESSAGE, message_id))
        body, raw = await DISCARD.read(request)
        return await once(request, raw, lambda: discard_dead_letter(request.auth, id, reason=body.reason), status=200)
