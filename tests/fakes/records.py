"""Messages in memory read back: one, a page by filter, counts, and the timeline."""

from collections import Counter
from collections.abc import Sequence

from messaging.application.ports.records import (
    CountedRange,
    EventRow,
    MessageCounts,
    MessageFilter,
    MessagePage,
    MessageRow,
)
from messaging.domain.content.content import TemplateMessage, summary
from messaging.domain.messages.message import Message
from messaging.domain.shared.ids import MessageId, Prefix, typeid
from tests.fakes.messages import InMemoryTransaction, StoredMessage


class InMemoryRecords:
    """Reads every message for each answer, and dates all events of a message by its last change."""

    def __init__(self, transaction: InMemoryTransaction) -> None:
        self._transaction = transaction

    async def message(self, id: MessageId) -> MessageRow | None:
        return next((_row(it) for it in self._transaction.all() if it.accepted.id == id), None)

    async def page(self, wanted: MessageFilter, *, before: MessageId | None, limit: int) -> MessagePage:
        newest_first = sorted(self._transaction.all(), key=lambda it: it.accepted.id, reverse=True)
        rows = [_row(it) for it in newest_first if matches(it, wanted) and (before is None or it.accepted.id < before)]
        return MessagePage(rows=tuple(rows[:limit]), scanned_to=rows[limit - 1].id if len(rows) > limit else None)

    async def counts(self, wanted: CountedRange) -> MessageCounts:
        bounds = MessageFilter(
            created_after=wanted.created_after, created_before=wanted.created_before, template=wanted.template
        )
        found = [it for it in self._transaction.all() if matches(it, bounds)]
        counted = Counter(
            (it.state.state, None if it.error is None else it.error.code)
            for it in found
            if wanted.channel in (None, it.accepted.channel)
        )
        return MessageCounts(found=counted, truncated=False, since=wanted.created_after)

    async def events(self, id: MessageId, *, after: int, limit: int) -> Sequence[EventRow]:
        return [
            EventRow(
                seq=seq,
                type=entry.type,
                state=entry.state,
                recorded_at=it.updated_at,
                occurred_at=entry.occurred_at,
                detail=entry.detail,
            )
            for it in self._transaction.all()
            if it.accepted.id == id
            for seq, entry in enumerate(it.entries, start=1)
            if seq > after
        ][:limit]


def matches(stored: StoredMessage, wanted: MessageFilter) -> bool:
    """Whether the message meets all conditions."""
    message, code = stored.accepted, stored.error and stored.error.code
    return (
        (not wanted.recipient_indexes or stored.recipient_index in wanted.recipient_indexes)
        and (not wanted.states or stored.state.state in wanted.states)
        and wanted.message_id in (None, message.id)
        and wanted.reference in (None, message.reference)
        and wanted.template in (None, _template_name(message))
        and wanted.error_code in (None, code)
        and (wanted.created_after is None or message.created_at >= wanted.created_after)
        and (wanted.created_before is None or message.created_at < wanted.created_before)
        and (wanted.updated_after is None or stored.updated_at >= wanted.updated_after)
        and (wanted.updated_before is None or stored.updated_at < wanted.updated_before)
    )


def _template_name(message: Message) -> str | None:
    return message.content.name if isinstance(message.content, TemplateMessage) else None


def _row(stored: StoredMessage) -> MessageRow:
    message, state, error = stored.accepted, stored.state, stored.error
    return MessageRow(
        id=message.id,
        mode=message.mode,
        channel=message.channel,
        state=state.state,
        category=message.category,
        priority=message.priority,
        on_unknown=message.on_unknown,
        policy=message.policy,
        account_id=typeid(Prefix.ACCOUNT, message.account_id),
        sender_id=typeid(Prefix.SENDER, message.sender_id),
        template_id=None if message.template_id is None else typeid(Prefix.TEMPLATE, message.template_id),
        reference=message.reference,
        summary=summary(message.content),
        attempts=state.attempts,
        checks=state.checks,
        error_code=None if error is None else error.code,
        error_reason=None if error is None else error.reason,
        provider_message_id=stored.provider_ids[max(stored.provider_ids)] if stored.provider_ids else None,
        possible_duplicate=state.possible_duplicate,
        send_at=message.send_at,
        expires_at=message.expires_at,
        created_at=message.created_at,
        updated_at=stored.updated_at,
        sealed=stored.sealed,
        trace_id=message.trace_id,
    )
