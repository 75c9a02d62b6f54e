"""Decides what may settle a send whose outcome is unclear, from what its provider can prove.

| the provider             | until the end of the grace                       | then                                 |
|--------------------------|--------------------------------------------------|--------------------------------------|
| takes an idempotency key | the request is repeated with the attempt's key,  | as without a key                     |
|                          | after each of the retry policy's waits           |                                      |
| can find a message       | it is asked, after each of the policy's waits    | it is asked once more, then a person |
| echoes the reference     | its receipts are awaited                         | resent on proof if so chosen, else a |
|                          |                                                  | person                               |
| none of these            | nothing can be learnt                            | a person, at once                    |

Several may hold for one provider: a request is repeated as long as its key is remembered, else the provider is asked,
and an echo that comes meanwhile settles the message in any case.

A message that a provider does not find is not proven absent. Lists are filled after the message is accepted, no
provider documents how long after, and a message of the same text to the same person may hide ours. So asking may settle
a message as accepted, and never leads to a resend by itself.

A key is worth something only while the provider remembers it, and while nobody can have sent the message with another
key. Therefore a request is repeated neither when the key may be forgotten, nor after a failover, when the record of
later attempts may be lost.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import Final

from msgspec import Struct

from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.retry import POLICIES

# What is taken for granted of a provider that is not known, because it is not installed any more or its account is
# gone: that its receipts may come. Waiting for them costs time and nothing else.
NOT_KNOWN: Final = Capabilities(echoes_reference=True, confirms_delivery=True)


class Recourse(StrEnum):
    """What is done about an unclear send whose look is due."""

    REPEAT = "repeat"
    ASK = "ask"
    DECIDE = "decide"


class Look(Struct, frozen=True, kw_only=True):
    """The next look at an unclear send. `done` is the number of looks before it; None where looks are not counted."""

    at: datetime
    done: int | None = None


def recourse(message: MessageState, can: Capabilities, *, grace: timedelta) -> Recourse:
    """What the look that is due now does. `message.checks` counts the looks before it."""
    done = message.checks
    if done < _last(message, grace) and _may_repeat(message, can, message.now):
        return Recourse.REPEAT
    if can.can_find and done <= _most(message):
        return Recourse.ASK
    return Recourse.DECIDE


def first_look(message: MessageState, can: Capabilities, *, grace: timedelta) -> Look:
    """The first look at a send that has just become unclear; at once, if nothing can be learnt by waiting."""
    return next_look(message, can, grace=grace, done=0) or Look(at=message.now)


def look_after_failover(message: MessageState, can: Capabilities, *, grace: timedelta) -> Look:
    """The only look at a message that may have been sent before a failover. Its request is never repeated."""
    if not (can.echoes_reference or can.can_find):
        return Look(at=message.now, done=_no_repeat(message, can))
    return Look(at=message.now + grace, done=_no_repeat(message, can))


def next_look(message: MessageState, can: Capabilities, *, grace: timedelta, done: int) -> Look | None:
    """The look that follows `done` others; None if nothing more can be learnt before a decision."""
    times, last = _times(message, grace), _last(message, grace)
    if done > last:
        return None
    before = times[done - 1] if done else timedelta(0)
    at = message.now + times[done] - before
    if can.can_find or (done < last and _may_repeat(message, can, at)):
        return Look(at=at, done=done)
    if can.echoes_reference:
        return Look(at=message.now + grace - before, done=_no_repeat(message, can))
    return None


def last_look(message: MessageState, can: Capabilities, *, grace: timedelta) -> Look | None:
    """The look at the end of the grace, for a message of which looks are counted and whose request is not repeated any
    more; None if it was reached, or if nothing can be learnt by then.
    """
    done = message.checks
    if not counts_looks(can) or done >= _last(message, grace) or not (can.echoes_reference or can.can_find):
        return None
    passed = _times(message, grace)[done - 1] if done else timedelta(0)
    return Look(at=message.now + grace - passed, done=_no_repeat(message, can))


def after_all_looks(message: MessageState) -> int:
    """The number of looks at which the provider is not asked again."""
    return _most(message) + 1


def counts_looks(can: Capabilities) -> bool:
    """Whether `checks` of an `unknown` message counts looks; otherwise it still counts the checks of its retries."""
    return can.takes_idempotency_key or can.can_find


def is_repeated(message: MessageState, can: Capabilities) -> bool:
    """Whether a request may have been repeated: then a refusal of the first one proves nothing any more."""
    return can.takes_idempotency_key and message.checks > 0


def _may_repeat(message: MessageState, can: Capabilities, at: datetime) -> bool:
    attempt = message.attempt
    return (
        can.takes_idempotency_key
        and attempt is not None
        and attempt.started_at is not None
        and at < attempt.started_at + can.key_lasts
        and (message.expires_at is None or at < message.expires_at)
    )


def _no_repeat(message: MessageState, can: Capabilities) -> int | None:
    """The number of looks from which on no request is repeated, however long the grace may become."""
    return _most(message) if counts_looks(can) else None


def _times(message: MessageState, grace: timedelta) -> list[timedelta]:
    """When looks follow the loss of an answer: after the waits of the retry policy, and at the end of the grace."""
    waits = accumulate(POLICIES[message.policy].waits)
    return [*(wait for wait in waits if wait < grace), grace]


def _last(message: MessageState, grace: timedelta) -> int:
    """The number of looks before the last one."""
    return len(_times(message, grace)) - 1


def _most(message: MessageState) -> int:
    """The largest number of looks before the last one, whatever the grace."""
    return len(POLICIES[message.policy].waits)
