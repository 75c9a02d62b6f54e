"""Records the starts of sends: committed before the first byte leaves, and shared by concurrent sends."""

from collections.abc import Sequence
from time import monotonic

from messaging.application import crashpoints
from messaging.application.gather import Gatherer
from messaging.application.messages.delivering.claim import Claim, Observed, observe
from messaging.application.messages.delivering.delivery_terms import DeliveryTerms
from messaging.application.ports.optimistic_writes import OptimisticWrites
from messaging.application.ports.unit_of_work import OpenDeliveryUnitOfWork
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageState
from messaging.domain.messages.transitions import lifecycle


class MarkStarted:
    """Records the start of one send; concurrent calls share a commit."""

    def __init__(
        self, *, open_uow: OpenDeliveryUnitOfWork, optimistic_writes: OptimisticWrites, terms: DeliveryTerms
    ) -> None:
        self._open_uow = open_uow
        self._optimistic_writes = optimistic_writes
        self._terms = terms
        self._as_claimed: Gatherer[Claim, Observed | None] = Gatherer(self._mark_as_claimed, writers=1)
        self._under_lock: Gatherer[Claim, Observed | None] = Gatherer(self._mark_under_lock, writers=1)

    async def __call__(self, claim: Claim) -> Observed | None:
        """The message's state after its start, which is committed; None if another worker may have claimed it since.

        Nearly always the message has not changed since its claim; otherwise it is locked and read first. Raises
        StoreUnavailable, and then it is not known whether the start is committed.
        """
        started = None if claim.observed is None else await self._as_claimed(claim)
        return started or await self._under_lock(claim)

    async def _mark_as_claimed(self, batch: Sequence[Claim]) -> Sequence[Observed | None]:
        at = monotonic()
        messages = [self._still_held(claim.observed) for claim in batch]
        changes = [self._start(claim, message) for claim, message in zip(batch, messages, strict=True)]
        crashpoints.reach("mark_started.before_commit")
        written = await self._optimistic_writes.write([change for change in changes if change is not None])
        crashpoints.reach("mark_started.after_commit")
        return [
            observe(message, change, at) if message and change and change.key in written else None
            for message, change in zip(messages, changes, strict=True)
        ]

    async def _mark_under_lock(self, batch: Sequence[Claim]) -> Sequence[Observed | None]:
        at = monotonic()
        async with self._open_uow() as uow:
            locked = await uow.lifecycles.lock([claim.key for claim in batch])
            messages = [locked.get(claim.key) for claim in batch]
            changes = [self._start(claim, message) for claim, message in zip(batch, messages, strict=True)]
            await uow.lifecycles.apply([change for change in changes if change is not None])
            crashpoints.reach("mark_started.before_commit")
            await uow.commit()
        crashpoints.reach("mark_started.after_commit")
        return [
            observe(message, change, at) if message and change else None
            for message, change in zip(messages, changes, strict=True)
        ]

    def _still_held(self, claimed: Observed | None) -> MessageState | None:
        """The claimed message as of now; None if its lease may have ended since."""
        if claimed is None:
            return None
        message = claimed.by_now()
        return message if message.now < claimed.message.now + self._terms.lease else None

    def _start(self, claim: Claim, message: MessageState | None) -> Change | None:
        if message is None:
            return None
        terms = self._terms
        return lifecycle.start(message, epoch=claim.epoch, worker=terms.worker, lease=terms.sending_lease)
