"""Decides what happens to a message after a failover or a restore, when the database may lack the record of its send.

A restored backup and a promoted replica can miss the newest claims, starts and outcomes, although the old server had
committed them. A message that may have been sent meanwhile waits for its echo and is not sent again automatically.
"""

from datetime import timedelta

from messaging.domain.channels.capabilities import Capabilities
from messaging.domain.messages.change import AttemptChange, AttemptOpened, Change, Detail, Schedule
from messaging.domain.messages.change_builder import ChangeBuilder, EchoGrace, closing
from messaging.domain.messages.message import ECHO_GRACE
from messaging.domain.messages.message_state import DispatchKind, MessageState, Outcome, Phase
from messaging.domain.messages.receipts import ProviderError
from messaging.domain.messages.state import Signal, State
from messaging.domain.messages.unclear_sends import NOT_KNOWN, look_after_failover

FAILOVER = ProviderError(
    code="failover",
    reason="The database was restored or failed over, and may lack the record that this message was sent.",
)


def recover_failover(
    message: MessageState, *, grace: EchoGrace = ECHO_GRACE, can: Capabilities = NOT_KNOWN
) -> Change | None:
    """T22 for a message that was due before the failover or was held by a worker then; None when it was past sending.

    A message without an open attempt is given one, because a lost attempt may exist: an echo of it can then be matched,
    and a person who sends the message again is asked to accept the risk of a duplicate.
    """
    builder = ChangeBuilder(message, grace, can=can)
    epoch = message.epoch
    attempt: tuple[AttemptChange, ...]
    match message.state:
        case State.SCHEDULED | State.QUEUED:
            epoch += 1
            attempt = (_forgotten(message, epoch),)
        case State.CLAIMED | State.SENDING:
            attempt = closing(message, Phase.UNKNOWN, Outcome.UNKNOWN)
        case _:
            return None
    detail: Detail = {"attempt": epoch, "code": FAILOVER.code, "reason": FAILOVER.reason}
    builder.signal(Signal.DUE, "message.queued")
    builder.signal(Signal.RECOVER_FAILOVER, "message.unknown", detail)
    look = look_after_failover(message, can, grace=grace[message.channel, message.category])
    return builder.change(
        epoch=epoch,
        attempt=attempt,
        attempts=builder.counted(),
        checks=look.done,
        error=FAILOVER,
        dispatch=Schedule(kind=DispatchKind.RESOLVE_UNKNOWN, due_at=look.at),
    )


def _forgotten(message: MessageState, epoch: int) -> AttemptOpened:
    return AttemptOpened(
        epoch=epoch,
        lease_owner=FAILOVER.code,
        lease=timedelta(0),
        possible_duplicate=message.possible_duplicate,
        forgotten=True,
    )
