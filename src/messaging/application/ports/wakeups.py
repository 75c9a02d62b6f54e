"""Port that carries wakeups to the workers; any of them may be lost, because the work itself is in Postgres."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final, Protocol

from messaging.application.jobs import Job

PATIENCE: Final = timedelta(milliseconds=40)


class QueueUnavailable(Exception):
    """Redis cannot be reached; the caller falls back to looking at Postgres itself."""


class JobQueue(Protocol):
    async def wakeup(self, jobs: Sequence[Job]) -> None:
        """Publish, unless as many wakeups of that queue are waiting already as its workers can use.

        Raises QueueUnavailable.
        """
        ...


class JobConsumer(Protocol):
    async def consume(
        self, queue: str, run: Callable[[bytes], Awaitable[None]], *, at_once: int, patience: timedelta = PATIENCE
    ) -> None:
        """Give every wakeup of the queue to `run`, up to `at_once` at a time, until cancelled.

        No wakeup waits longer than `patience` for its turn. Whatever `run` started must survive its own cancellation:
        consumers may take it back at any moment. Raises QueueUnavailable when the connection is lost; calling again
        starts afresh.
        """
        ...

    async def close(self) -> None:
        """Finish the bookkeeping of wakeups that are done; what cannot be finished soon is left to expire."""
        ...
