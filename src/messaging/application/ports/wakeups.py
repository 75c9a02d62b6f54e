"""Port that carries wakeups to the workers; any of them may be lost, because the work itself is in Postgres."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from messaging.application.wakeups import Wakeup

PATIENCE: Final = timedelta(milliseconds=40)


class QueueUnavailable(Exception):
    """Redis cannot be reached; the caller starts the work itself instead."""


class WakeupQueue(Protocol):
    """The sending end of the wakeups."""

    async def wakeup(self, wakeups: Sequence[Wakeup]) -> None:
        """Publish each wakeup, except to a queue in which as many wakeups wait as its workers can use.

        Raises QueueUnavailable.
        """
        ...


class WakeupConsumer(Protocol):
    """The receiving end of the wakeups."""

    async def consume(
        self, queue: str, run: Callable[[bytes], Awaitable[None]], *, at_once: int, patience: timedelta = PATIENCE
    ) -> None:
        """Call `run` with every wakeup of the queue, up to `at_once` at a time, until cancelled.

        A wakeup is picked up within `patience`. The consumer may cancel `run` at any moment, which must not cancel the
        work that `run` has started. Raises QueueUnavailable when the connection is lost; it can be called again then.
        """
        ...

    async def close(self) -> None:
        """Delete the records of wakeups that are done; records that cannot be deleted soon expire by themselves."""
        ...
