"""Counts the messages of a time range by status and by error code."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct

from messaging.application.ports.clock import Clock
from messaging.application.ports.records import CountedRange, MessageCounts
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.messages.state import State, public
from messaging.domain.shared.errors import Violation
from messaging.domain.shared.refusals import invalid
from messaging.domain.tenants.tenant import Principal

DEFAULT_RANGE: Final = timedelta(hours=24)
LONGEST_RANGE: Final = timedelta(days=31)
MAX_REASONS: Final = 100


class StatusCount(Struct, frozen=True, kw_only=True):
    """How many messages are in a status."""

    status: str
    messages: int


class ReasonCount(Struct, frozen=True, kw_only=True):
    """How many messages in a status have the same `error.code`."""

    error_code: str
    status: str
    messages: int


class MessageSummaryView(Struct, frozen=True, kw_only=True):
    """Counts of the messages accepted in a range.

    With `truncated`, only the newest were counted, back to `counted_since`; a shorter range counts them all.
    """

    created_after: datetime
    created_before: datetime
    counted_since: datetime
    truncated: bool
    messages: int
    by_status: tuple[StatusCount, ...]
    by_reason: tuple[ReasonCount, ...]

    @classmethod
    def of(cls, wanted: CountedRange, counts: MessageCounts) -> "MessageSummaryView":
        by_status, by_reason = Counter[str](), Counter[tuple[str, str]]()
        for (state, code), messages in counts.found.items():
            by_status[public(state)] += messages
            if code is not None:
                by_reason[code, public(state)] += messages
        frequent = sorted(by_reason.items(), key=lambda item: (-item[1], item[0]))[:MAX_REASONS]
        names = dict.fromkeys(public(state) for state in State)
        return cls(
            created_after=wanted.created_after,
            created_before=wanted.created_before,
            counted_since=counts.since,
            truncated=counts.truncated,
            messages=by_status.total(),
            by_status=tuple(StatusCount(status=name, messages=by_status[name]) for name in names if name in by_status),
            by_reason=tuple(
                ReasonCount(error_code=code, status=status, messages=messages) for (code, status), messages in frequent
            ),
        )


class SummaryWanted(Struct, frozen=True, kw_only=True):
    """Without `created_before` the range ends now, without `created_after` it begins 24 hours before its end."""

    created_after: datetime | None = None
    created_before: datetime | None = None
    template: str | None = None
    channel: str | None = None

    def range(self, now: datetime) -> CountedRange:
        """Raises DomainError `validation_failed`."""
        before = now if self.created_before is None else self.created_before
        after = before - DEFAULT_RANGE if self.created_after is None else self.created_after
        if before <= after:
            raise _refused("The range ends before it begins. Give a later created_before or an earlier created_after.")
        if before - after > LONGEST_RANGE:
            raise _refused("Give instants at most 31 days apart; without created_before the range ends now.")
        return CountedRange(created_after=after, created_before=before, template=self.template, channel=self.channel)


class SummarizeMessages:
    """Of the key's own mode."""

    def __init__(self, *, open_uow: OpenUnitOfWork, clock: Clock) -> None:
        self._open = open_uow
        self._clock = clock

    async def __call__(self, principal: Principal, wanted: SummaryWanted) -> MessageSummaryView:
        counted = wanted.range(self._clock.now())
        async with self._open(principal.tenant_id, principal.mode) as uow:
            return MessageSummaryView.of(counted, await uow.records.counts(counted))


def _refused(detail: str) -> Exception:
    return invalid(Violation(pointer="/created_after", code="invalid_value", detail=detail))
