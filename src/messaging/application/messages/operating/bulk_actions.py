"""Applies an operator's decision to many messages: send again, settle as failed, or discard.

One transaction selects and locks the messages, decides each by itself, and writes the changes in bulk. A refused
message stays as it was and does not stop the others. A dry run takes the same steps and writes nothing.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from msgspec import Struct

from messaging.application.ports.records import MessageFilter
from messaging.application.ports.selections import Selections
from messaging.application.ports.unit_of_work import OpenUnitOfWork, UnitOfWork
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey, MessageState
from messaging.domain.messages.state import State, public
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import MessageId, Prefix, parse_typeid, typeid
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal

MAX_ACTED_UPON: Final = 1_000


class Requeue(Struct, frozen=True, kw_only=True, tag="requeue"):
    """Send dead, unconfirmed and failed messages again.

    `possible_duplicate` accepts that the recipient may get a message twice.
    """

    possible_duplicate: bool = False


class Resolve(Struct, frozen=True, kw_only=True, tag="resolve"):
    """Settle unconfirmed messages as failed."""


class Discard(Struct, frozen=True, kw_only=True, tag="discard"):
    """Settle dead letters without sending."""


Action = Requeue | Resolve | Discard


class Named(Struct, frozen=True, kw_only=True, tag="named"):
    """Messages by their public ids, as the caller wrote them."""

    ids: tuple[str, ...]


class Matching(Struct, frozen=True, kw_only=True, tag="matching"):
    """The newest messages that meet all conditions given and await an operator's decision, up to `limit`.

    Without `states`, all states that the action can start from are selected except `failed`: failed messages await no
    decision and are selected only when `states` names them.
    """

    limit: int
    states: frozenset[State] = frozenset()
    reference: str | None = None
    template: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    error_code: str | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None


class Order(Struct, frozen=True, kw_only=True):
    """An operator's decision; `reason` goes into every message's timeline, beside who decided."""

    action: Action
    upon: Named | Matching
    reason: str
    dry_run: bool = False


class ActedResult(StrEnum):
    DONE = "done"
    REFUSED = "refused"


class ActedItem(Struct, frozen=True, kw_only=True):
    """`code` and `detail` say why the message was refused; `status` is its status afterwards.

    A message that does not exist has no status.
    """

    message_id: str
    result: ActedResult
    code: str | None
    detail: str | None
    status: str | None


class ActedView(Struct, frozen=True, kw_only=True):
    """The result for each message, once: in the order given, or newest first for messages selected by a filter.

    In a dry run, the result that each message would have. `has_more` tells that the filter matches more messages than
    its limit.
    """

    action: str
    dry_run: bool
    done: int
    refused: int
    has_more: bool
    data: tuple[ActedItem, ...]


class ActOnMessages:
    """Applies an order. Repeating it is safe: a message that the order has moved is refused with `state_conflict`."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, order: Order) -> ActedView:
        by = typeid(Prefix.KEY, principal.key_id)
        async with self._open(principal.tenant_id, principal.mode) as uow:
            ids, has_more = await _chosen(uow.selections, order)
            judged = await _judge(uow, principal, order, [id for id in ids.values() if id is not None], by)
            if not order.dry_run:
                await _carry_out(uow, order, judged, by)
                await uow.commit()
        data = tuple(_item(text, None if id is None else judged.get(id)) for text, id in ids.items())
        done = sum(item.result is ActedResult.DONE for item in data)
        return ActedView(
            action=str(order.action.__struct_config__.tag),
            dry_run=order.dry_run,
            done=done,
            refused=len(data) - done,
            has_more=has_more,
            data=data,
        )


class _Discarded(Struct, frozen=True):
    """The dead letter is settled; the message keeps its state."""


class _Refused(Struct, frozen=True):
    """The message keeps its state, for the error's reason."""

    error: DomainError
    state: State


_Verdict = Change | _Discarded | _Refused
_Judged = Mapping[MessageId, _Verdict]


async def _chosen(selections: Selections, order: Order) -> tuple[dict[str, MessageId | None], bool]:
    """The public ids with the messages they name, in order, and whether the filter matches more."""
    match order.upon:
        case Named(ids=texts):
            named = {text: parse_typeid(Prefix.MESSAGE, text) for text in texts}
            own = await selections.known([MessageId(id) for id in named.values() if id is not None])
            return {text: MessageId(id) if id in own and id is not None else None for text, id in named.items()}, False
        case Matching() as wanted:
            found = await selections.undecided(_filter(wanted, order.action), limit=wanted.limit + 1)
            shown = {typeid(Prefix.MESSAGE, id): id for id in found[: wanted.limit]}
            return dict(shown), len(found) > wanted.limit
        case _:
            assert_never(order.upon)


def _filter(wanted: Matching, action: Action) -> MessageFilter:
    match action:
        case Requeue():
            states: tuple[State, ...] = (State.DEAD, State.UNCONFIRMED)
        case Resolve():
            states = (State.UNCONFIRMED,)
        case Discard():
            states = (State.DEAD,)
        case _:
            assert_never(action)
    return MessageFilter(
        states=tuple(state for state in State if state in wanted.states) or states,
        reference=wanted.reference,
        template=wanted.template,
        created_after=wanted.created_after,
        created_before=wanted.created_before,
        error_code=wanted.error_code,
        updated_after=wanted.updated_after,
        updated_before=wanted.updated_before,
    )


async def _judge(uow: UnitOfWork, principal: Principal, order: Order, ids: Sequence[MessageId], by: str) -> _Judged:
    """Decide each message after locking it, so that the decision still holds when it is written."""
    messages = await uow.lifecycles.lock([MessageKey(principal.tenant_id, id) for id in ids])
    undecided = await uow.dead_letters.open_among(ids)
    judged: dict[MessageId, _Verdict] = {}
    for key, message in messages.items():
        try:
            judged[key.message_id] = _decide(order, message, by, letter_open=key.message_id in undecided)
        except DomainError as refusal:
            judged[key.message_id] = _Refused(refusal, message.state)
    return judged


def _decide(order: Order, message: MessageState, by: str, *, letter_open: bool) -> Change | _Discarded:
    """Raises DomainError: `state_conflict`, `duplicate_risk`."""
    match order.action:
        case Requeue(possible_duplicate=risk):
            # A filter selects undecided dead letters only; by id, a person may also requeue a discarded one.
            if isinstance(order.upon, Matching) and message.state is State.DEAD and not letter_open:
                raise DomainError("state_conflict", "This dead letter has just been settled by somebody else.")
            return lifecycle.requeue(message, by=by, possible_duplicate=risk, reason=order.reason)
        case Resolve():
            return lifecycle.resolve(message, by=by, reason=order.reason)
        case Discard():
            if not letter_open:
                raise DomainError("state_conflict", "There is no open dead letter of this message.")
            return _Discarded()
        case _:
            assert_never(order.action)


async def _carry_out(uow: UnitOfWork, order: Order, judged: _Judged, by: str) -> None:
    await uow.lifecycles.apply([verdict for verdict in judged.values() if isinstance(verdict, Change)])
    discarded = [id for id, verdict in judged.items() if isinstance(verdict, _Discarded)]
    if discarded:
        await uow.dead_letters.discard(discarded, by=by, reason=order.reason)


def _item(text: str, verdict: _Verdict | None) -> ActedItem:
    match verdict:
        case None:
            return _refused(text, not_found(), None)
        case _Refused(error=error, state=state):
            return _refused(text, error, state)
        case Change(state=state):
            return ActedItem(message_id=text, result=ActedResult.DONE, code=None, detail=None, status=public(state))
        case _Discarded():
            return ActedItem(
                message_id=text, result=ActedResult.DONE, code=None, detail=None, status=public(State.DEAD)
            )
        case _:
            assert_never(verdict)


def _refused(text: str, error: DomainError, state: State | None) -> ActedItem:
    return ActedItem(
        message_id=text,
        result=ActedResult.REFUSED,
        code=error.code,
        detail=error.detail,
        status=None if state is None else public(state),
    )
