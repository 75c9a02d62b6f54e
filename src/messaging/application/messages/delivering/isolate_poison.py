"""Has messages that may have crashed their last worker claimed and sent one at a time in each process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from messaging.application.messages.delivering.claim import Claim
from messaging.application.ports.due_messages import Due
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.shared.ids import Prefix, typeid

log = logging.getLogger(__name__)


class IsolatePoison:
    """Has each message that may be poison claimed alone, once the one before has started or was given back.

    Ordinary batches go on meanwhile. If the worker dies, its whole batch counts one more claim failure, but at most one
    message that may be poison is among the claimed. Claiming nothing else meanwhile would let one sender whose provider
    is slow to connect stop all other messages.

    `claim` claims one message, or returns None when it may not be sent now. `begin` sends a claimed message and returns
    an event that is set at the end of its claim. `wait_for_one` waits for free concurrency.
    """

    def __init__(
        self,
        *,
        claim: Callable[[Due], Awaitable[Claim | None]],
        wait_for_one: Callable[[], Awaitable[None]],
        begin: Callable[[Claim], asyncio.Event],
    ) -> None:
        self._claim = claim
        self._wait_for_one = wait_for_one
        self._begin = begin
        self._waiting: dict[MessageKey, Due] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    def add(self, maybe_poison: Sequence[Due]) -> None:
        """Add messages that were locked and put off just now. A message that is waiting already is kept once."""
        self._waiting.update((due.message.key, due) for due in maybe_poison)
        if self._waiting and self._task is None and not self._stopping:
            self._task = asyncio.create_task(self._try_each())

    async def stop(self) -> None:
        """Try no further message; returns when the one being tried has started or was given back."""
        self._stopping = True
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _try_each(self) -> None:
        try:
            while self._waiting and not self._stopping:
                await self._try_one(self._next())
        except StoreUnavailable:
            log.warning("isolate_poison.store_unavailable", extra={"store": "postgres"})
        except Exception:
            log.exception("isolate_poison.failed")
        finally:
            # Messages left here are due again shortly: Postgres holds all there is to know about them.
            self._waiting.clear()
            self._task = None

    def _next(self) -> Due:
        """The message with the fewest claim failures: the likeliest poison comes last and takes the fewest others with
        it.
        """
        due = min(self._waiting.values(), key=lambda due: due.message.claim_failures)
        return self._waiting.pop(due.message.key)

    async def _try_one(self, maybe_poison: Due) -> None:
        await self._wait_for_one()
        claim = await self._claim(maybe_poison)
        if claim is not None:
            log.info("isolate_poison.tried", extra={"message_id": typeid(Prefix.MESSAGE, claim.key.message_id)})
            await self._begin(claim).wait()
