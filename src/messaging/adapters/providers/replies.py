"""What every provider's HTTP replies have in common: replies that cannot be read, and waits that they ask for."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from messaging.adapters.http.client import Reply
from messaging.domain.messages.retry import Uncertain

_LONGEST_WAIT: Final = timedelta(days=1)


def incomplete(reply: Reply) -> Uncertain:
    """The outcome of a send whose reply has no complete body."""
    return Uncertain(
        code=f"http_{reply.status}",
        reason=f"The provider's answer was incomplete: {reply.flaw}",
        http_status=reply.status,
    )


def acceptance_unreadable(reply: Reply, flaw: str) -> Uncertain:
    """The outcome of a send with a 2xx reply that does not name the message: it was most likely accepted."""
    return Uncertain(
        code="acceptance_unreadable",
        reason=f"The provider answered {reply.status}, but the answer could not be read: {flaw}",
        likely_sent=True,
        http_status=reply.status,
    )


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """The wait that `Retry-After` asks for, in seconds or as a date; None if it states none."""
    value = headers.get("retry-after", "")
    if value.isascii() and value.isdigit():
        return timedelta(seconds=int(value[:9]))
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError):
        return None
    return (until if until.tzinfo else until.replace(tzinfo=UTC)) - datetime.now(UTC)


def bounded_wait(told: timedelta | None) -> timedelta | None:
    """The wait, limited to between a second and a day."""
    return None if told is None else min(max(told, timedelta(seconds=1)), _LONGEST_WAIT)
