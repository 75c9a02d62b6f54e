"""Claims messages that may have crashed their last worker, one at a time in each process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from msgspec.structs import replace

from messaging.application import crashpoints
from messaging.application.ports.due_messages import Due
from messaging.application.ports.unit_of_work import OpenDeliveryUnitOfWork, StoreUnavailable
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.transitions import lifecycle
from messaging.domain.shared.ids import Prefix, typeid

log = logging.getLogger(__name__)

_SET_APART = timedelta(seconds=2)


def isolation_lease(lease: timedelta) -> timedelta:
    """How long a message that may be poison is left to the worker that found it.

    The message is not claimed meanwhile: if that worker dies of another such message first, this one is due again
    without a further claim failure, and before the lease of the other one ends.
    """
    return min(_SET_APART, lease / 2)


class IsolatePoison:
    """Claims each message that may be poison in a transaction of its own, once the one before has started or was given
    back.

    Ordinary batches go on meanwhile. If the worker dies, its whole batch counts one more claim failure, but at most one
    message that may be poison is among the claimed. Claiming nothing else meanwhile would let one sender whose provider
    is slow to connect stop all other messages.

    `begin` sends a claimed message and returns an event that is set at the end of its claim; `wait_for_place` waits for
    free concurrency.
    """

    def __init__(
        self,
        *,
        open_uow: OpenDeliveryUnitOfWork,
        worker: str,
        lease: timedelta,
        wait_for_place: Callable[[], Awaitable[None]],
        begin: Callable[[Due], asyncio.Event],
    ) -> None:
        self._open_uow = open_uow
        self._worker = worker
        self._lease = lease
        self._wait_for_place = wait_for_place
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

    async def _try_one(self, poison_suspect: Due) -> None:
        await self._wait_for_place()
        claimed = await self._claim(poison_suspect)
        if claimed is not None:
            log.info(
                "isolate_poison.tried", extra={"message_id": typeid(Prefix.MESSAGE, claimed.message.key.message_id)}
            )
            await self._begin(claimed).wait()

    async def _claim(self, poison_suspect: Due) -> Due | None:
        """None when the message has moved since it was put off, has expired, or may not be claimed now."""
        key = poison_suspect.message.key
        async with self._open_uow() as uow:
            message = (await uow.lifecycles.lock([key])).get(key)
            if (
                message is None
                or message.seq != poison_suspect.message.seq
                or not await uow.failovers.claims_are_open()
            ):
                return None
            change = lifecycle.take_up(message, worker=self._worker, lease=self._lease)
            assert change is not None, "a message that has not moved is queued, and its dispatch is not stale"
            await uow.lifecycles.apply([change])
            crashpoints.reach("claim.before_commit")
            await uow.commit()
        crashpoints.reach("claim.after_commit")
        return replace(poison_suspect, message=message) if change.epoch > message.epoch else None
