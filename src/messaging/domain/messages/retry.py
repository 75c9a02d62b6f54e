"""Retry decisions: what a failed attempt means and when to try again, as named policies without clock or randomness."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

from msgspec import Struct


class Scope(StrEnum):
    """What a provider's error is about; it decides which other sends must stop besides this message."""

    MESSAGE = "message"
    RECIPIENT = "recipient"
    TEMPLATE = "template"
    SENDER = "sender"
    ACCOUNT = "account"
    CREDENTIAL = "credential"


class Sent(Struct, frozen=True, kw_only=True):
    """The provider accepted the message. `recipient_id` is the provider's own spelling of the recipient, where it gives
    one.
    """

    provider_message_id: str
    recipient_id: str | None = None
    held: bool = False


class Rejected(Struct, frozen=True, kw_only=True, tag="rejected"):
    """The provider refused the message for good: the same request cannot succeed later."""

    code: str
    reason: str
    scope: Scope = Scope.MESSAGE
    http_status: int | None = None


class Unavailable(Struct, frozen=True, kw_only=True, tag="unavailable"):
    """The provider refused the message for now, and its answer proves that it did *not* accept it.

    Uses up an attempt, unless the refusal is about the credentials.
    """

    code: str
    reason: str
    scope: Scope = Scope.MESSAGE
    retry_after: timedelta | None = None
    http_status: int | None = None


class Throttled(Struct, frozen=True, kw_only=True, tag="throttled"):
    """The provider refused because a scope sends too fast; the message was not accepted. It waits as told and uses up
    no attempt.
    """

    code: str
    reason: str
    scope: Scope
    retry_after: timedelta
    http_status: int | None = None


class Unreachable(Struct, frozen=True, kw_only=True, tag="unreachable"):
    """No byte of the request left the process: DNS, connect, TLS, or no free connection."""

    reason: str
    code: str = "not_sent"
    http_status: int | None = None


class Uncertain(Struct, frozen=True, kw_only=True, tag="uncertain"):
    """The provider may have accepted the message. It is never resent on a guess; `likely_sent` marks a 2xx answer that
    could not be read.
    """

    reason: str
    code: str = "outcome_unknown"
    likely_sent: bool = False
    http_status: int | None = None


Failure = Rejected | Unavailable | Throttled | Unreachable | Uncertain
SendResult = Sent | Failure


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """`waits[n]` is the wait after the failure of attempt n+1; after the last, slow checks follow, if any, before a
    person is asked.
    """

    name: str
    waits: tuple[timedelta, ...]
    first_check_after: timedelta = timedelta(0)
    check_every: timedelta = timedelta(0)
    checks: int = 0


def _seconds(*values: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=value) for value in values)


DURABLE = RetryPolicy(
    name="durable",
    waits=_seconds(2, 4, 8, 16, 32, 60, 300),
    first_check_after=timedelta(seconds=1800),
    check_every=timedelta(hours=6),
    checks=28,
)
SIMPLE = RetryPolicy(name="simple", waits=_seconds(5, 15, 45))
# The circuit breaker holds the account meanwhile; this is how soon the message is tried once the credentials are
# replaced.
CREDENTIAL_WAIT = timedelta(seconds=5)
POLICIES: dict[str, RetryPolicy] = {policy.name: policy for policy in (DURABLE, SIMPLE)}


class RetryAt(Struct, frozen=True, kw_only=True):
    """Try again at `at`; `attempts` and `checks` are the counters to write."""

    at: datetime
    attempts: int
    checks: int


class Fail(Struct, frozen=True):
    """The message ends as failed."""


class DeadLetter(Struct, frozen=True):
    """Retries are used up: the message becomes a dead letter."""


class Expire(Struct, frozen=True):
    """The next try would come after the message's expiry."""


class AwaitEcho(Struct, frozen=True):
    """The outcome is unknown: wait for the provider's echo."""


Decision = RetryAt | Fail | DeadLetter | Expire | AwaitEcho


def classify(
    failure: Failure,
    *,
    policy: RetryPolicy,
    attempts: int,
    checks: int,
    now: datetime,
    expires_at: datetime | None,
) -> Decision:
    """Decide what follows a failed try. `attempts` and `checks` count the tries *before* this one."""
    match failure:
        case Rejected():
            return Fail()
        case Uncertain():
            return AwaitEcho()
        case Throttled(retry_after=wait):
            return _unless_expired(RetryAt(at=now + wait, attempts=attempts, checks=checks), expires_at)
        case Unavailable(scope=Scope.CREDENTIAL, retry_after=told):
            # The fault is the account's, not the message's: the message waits for new credentials, however long that
            # takes.
            at = now + (told or CREDENTIAL_WAIT)
            return _unless_expired(RetryAt(at=at, attempts=attempts, checks=checks), expires_at)
        case Unavailable(retry_after=told):
            return _next_try(policy, attempts, checks, now, expires_at, at_least=told)
        case Unreachable():
            return _next_try(policy, attempts, checks, now, expires_at, at_least=None)
        case _:
            assert_never(failure)


def _next_try(
    policy: RetryPolicy,
    attempts: int,
    checks: int,
    now: datetime,
    expires_at: datetime | None,
    *,
    at_least: timedelta | None,
) -> Decision:
    floor = at_least or timedelta(0)
    if attempts < len(policy.waits):
        wait = max(policy.waits[attempts], floor)
        return _unless_expired(RetryAt(at=now + wait, attempts=attempts + 1, checks=checks), expires_at)
    if checks < policy.checks:
        wait = max(policy.first_check_after if checks == 0 else policy.check_every, floor)
        return _unless_expired(RetryAt(at=now + wait, attempts=attempts, checks=checks + 1), expires_at)
    return DeadLetter()


def _unless_expired(retry: RetryAt, expires_at: datetime | None) -> Decision:
    """The retry, or the end of the message if the retry would come after its expiry: an OTP never leaves when it is no
    longer valid.
    """
    return Expire() if expires_at is not None and retry.at >= expires_at else retry
