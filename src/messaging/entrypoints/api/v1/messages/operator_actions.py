"""A person's decisions about messages that will not go on by themselves, one or many: /v1/operator-actions."""

from collections.abc import Iterator
from typing import Annotated, Literal, assert_never

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from msgspec import Meta, Struct

from messaging.application.messages.operating.bulk_actions import (
    MAX_ACTED_UPON,
    ActedView,
    Action,
    ActOnMessages,
    Discard,
    Matching,
    Named,
    Order,
    Requeue,
    Resolve,
)
from messaging.domain.messages.state import State
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.refusals import invalid
from messaging.entrypoints.api.decoding.bodies import Body
from messaging.entrypoints.api.decoding.queries import within_reason
from messaging.entrypoints.api.edge.auth import TenantRequest
from messaging.entrypoints.api.edge.idempotency import Once
from messaging.entrypoints.api.edge.operations import operation
from messaging.entrypoints.api.v1.messages.submitting import Instant

_DESCRIPTION = """\
`requeue` sends dead, unconfirmed and failed messages again, `resolve` settles unconfirmed ones as failed, `discard`
settles dead letters without sending. Name the messages, or describe them with `filter`; then only those are meant that
nobody has decided about yet, and failed ones only where `status` names `failed`. Each message is judged by itself: one
that is refused (`state_conflict`, `duplicate_risk`, `not_found`) stays as it was. All that is done is committed
together. `dry_run` answers what would happen.\
"""


_Status = Literal["dead", "unconfirmed", "failed"]


class ActionFilter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All conditions given must hold. Without `status`, every status the action starts from is meant but `failed`."""

    status: _Status | Annotated[frozenset[_Status], Meta(min_length=1)] | None = None
    reference: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    template: Annotated[str, Meta(min_length=1, max_length=512)] | None = None
    created_after: Instant | None = None
    created_before: Instant | None = None
    updated_after: Instant | None = None
    updated_before: Instant | None = None
    error_code: Annotated[str, Meta(min_length=1, max_length=100, description="The messages' `error.code`.")] | None = (
        None
    )
    limit: Annotated[int, Meta(ge=1, le=MAX_ACTED_UPON, description="How many messages at most, newest first.")] = (
        MAX_ACTED_UPON
    )

    def to_matching(self) -> Matching:
        return Matching(
            limit=self.limit,
            states=frozenset(map(State, [self.status] if isinstance(self.status, str) else self.status or ())),
            reference=self.reference,
            template=self.template,
            created_after=within_reason(self.created_after),
            created_before=within_reason(self.created_before),
            updated_after=within_reason(self.updated_after),
            updated_before=within_reason(self.updated_before),
            error_code=self.error_code,
        )


class OperatorActionBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Either `message_ids` or `filter`. `possible_duplicate` belongs to `requeue`, `outcome` to `resolve`."""

    action: Literal["requeue", "resolve", "discard"]
    reason: Annotated[str, Meta(min_length=1, max_length=500, description="Goes into the timeline of each message.")]
    message_ids: (
        Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=MAX_ACTED_UPON)] | None
    ) = None
    filter: ActionFilter | None = None
    possible_duplicate: Annotated[
        bool, Meta(description="Accepts that recipients may get a message twice, where it may have arrived before.")
    ] = False
    outcome: Literal["failed"] | None = None
    dry_run: bool = False

    def to_order(self) -> Order:
        """Raises DomainError `validation_failed`."""
        if violations := tuple(self._contradictions()):
            raise invalid(*violations)
        upon = Named(ids=tuple(self.message_ids or ())) if self.filter is None else self.filter.to_matching()
        return Order(action=self._action(), upon=upon, reason=self.reason, dry_run=self.dry_run)

    def _action(self) -> Action:
        match self.action:
            case "requeue":
                return Requeue(possible_duplicate=self.possible_duplicate)
            case "resolve":
                return Resolve()
            case "discard":
                return Discard()
            case _:
                assert_never(self.action)

    def _contradictions(self) -> Iterator[Violation]:
        if not self.reason.strip():
            yield Violation(pointer="/reason", code="value_empty", detail="Say why, in words others will understand.")
        if self.message_ids is None and self.filter is None:
            detail = "Name the messages in message_ids, or describe them with filter."
            yield Violation(pointer="/message_ids", code="missing_field", detail=detail)
        if self.message_ids is not None and self.filter is not None:
            detail = "Give message_ids or filter, not both."
            yield Violation(pointer="/filter", code="invalid_value", detail=detail)
        if self.possible_duplicate and self.action != "requeue":
            detail = "Only a requeue can send anything twice. Leave it out."
            yield Violation(pointer="/possible_duplicate", code="invalid_value", detail=detail)
        if self.outcome is not None and self.action != "resolve":
            detail = "Only a resolve has an outcome. Leave it out."
            yield Violation(pointer="/outcome", code="invalid_value", detail=detail)


ACT = Body(OperatorActionBody)


class OperatorActionsController(Controller):
    path = "/v1/operator-actions"

    @post(
        "/",
        status_code=200,
        opt=operation(
            "act_on_messages",
            "Operator actions",
            "Requeue, resolve or discard messages",
            description=_DESCRIPTION,
            body=OperatorActionBody,
            example={
                "action": "requeue",
                "filter": {"status": ["dead", "failed"], "error_code": "131057"},
                "reason": "The maintenance of the number is over.",
                "dry_run": True,
            },
            returns=ActedView,
        ),
    )
    async def act(
        self, request: TenantRequest, act_on_messages: NamedDependency[ActOnMessages], once: NamedDependency[Once]
    ) -> Response[bytes]:
        body, raw = await ACT.read(request)
        order = body.to_order()
        return await once(request, raw, lambda: act_on_messages(request.auth, order), status=200)
