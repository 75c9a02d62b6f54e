"""Computes a message's state after a change, so that the process that wrote the change need not read the row again."""

from datetime import datetime

from msgspec.structs import replace

from messaging.domain.messages.change import AttemptChange, AttemptOpened, AttemptUpdated, Change
from messaging.domain.messages.message_state import LastAttempt, MessageState, Outcome, Phase


def project(message: MessageState, change: Change, *, now: datetime) -> MessageState:
    """The state of `message` after `change`, which was decided on it and written at about `now`, by the database's
    clock.
    """
    last = message.attempt
    for news in change.attempt:
        last = _attempt_after(last, news, now)
    return replace(
        message,
        state=change.state,
        seq=change.expected_seq + len(change.entries),
        epoch=change.epoch,
        attempts=change.attempts,
        checks=change.checks,
        claim_failures=change.claim_failures,
        possible_duplicate=message.possible_duplicate or change.possible_duplicate,
        attempt=last,
        now=now,
    )


def _attempt_after(last: LastAttempt | None, news: AttemptChange, now: datetime) -> LastAttempt | None:
    match news:
        case AttemptOpened():
            return LastAttempt(
                epoch=news.epoch,
                phase=Phase.UNKNOWN if news.forgotten else Phase.CLAIMED,
                outcome=Outcome.UNKNOWN if news.forgotten else None,
                lease_owner=news.lease_owner,
                lease_live=bool(news.lease),
            )
        case AttemptUpdated():
            return last if last is None or last.epoch != news.epoch else _updated(last, news, now)


def _updated(last: LastAttempt, news: AttemptUpdated, now: datetime) -> LastAttempt:
    is_settled = last.outcome is Outcome.ACCEPTED
    return replace(
        last,
        phase=last.phase if is_settled else news.phase,
        outcome=last.outcome if is_settled else news.outcome or last.outcome,
        provider_message_id=news.provider_message_id or last.provider_message_id,
        started_at=now if news.phase is Phase.STARTED else last.started_at,
        http_status=last.http_status if news.http_status is None else news.http_status,
    )
