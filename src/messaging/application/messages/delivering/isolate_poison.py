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
    """How long a suspect is left to the worker that found it.

    It is not claimed meanwhile, so when that worker dies of another suspect first, this one is due again without a
    further mark against it; and before the lease on that other one ends, so the innocent never wait for the culprit.
    """
    return min(_SET_APART, lease / 2)


class IsolatePoison:
    """Every suspect is claimed in a transaction of its own, when the one before has started or was given back.

    Ordinary batches go on meanwhile. A worker lost in between is held against its whole batch once more, but only one
    suspect in the process is ever among the claimed. To let nothing at all be claimed beside it would make a provider
    that is slow to connect, for one suspect's sender, a standstill of everybody else's messages.

    `begin` sends a claimed message and returns an event for the end of its claim; `wait_for_place` bounds the sends.
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
        """Locked and set apart just now. Those added before and still waiting keep one place."""
        self._waiting.update((due.message.key, due) for due in maybe_poison)
        if self._waiting and self._task is None and not self._stopping:
            self._task = asyncio.create_task(self._try_each())

    async def stop(self) -> None:
        """Try no further one; returns when the one being tried has left its claim."""
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
            # Whatever is left here is due again shortly: Postgres knows all there is to know about it.
            self._waiting.clear()
            self._task = None

    def _next(self) -> Due:
        """Who has fewer marks goes first, so that the likeliest culprit takes the fewest with it."""
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
        """None when the message has moved since it was set apart, was past its expiry, or may not be claimed now."""
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
            assert change is not None, "an unmoved suspect is queued, and that is never stale"
            await uow.lifecycles.apply([change])
            crashpoints.reach("claim.before_commit")
            await uow.commit()
        crashpoints.reach("claim.after_commit")
        return replace(poison_suspect, message=message) if change.epoch > message.epoch else None
