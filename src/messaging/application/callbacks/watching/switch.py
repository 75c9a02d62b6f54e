"""Pauses an endpoint, and lets it go on: what was held meanwhile is posted or discarded, as its tenant decides."""

from datetime import datetime, timedelta
from typing import Final

from messaging.application import jobs
from messaging.application.callbacks.watching.queries import known
from messaging.application.callbacks.watching.views import EndpointHealthView
from messaging.application.ports.callbacks.delivering.lanes import DroppedCallback, EndpointKey
from messaging.application.ports.callbacks.delivering.log import EndedCallback
from messaging.application.ports.clock import Clock
from messaging.application.ports.outbox import ClaimedJob, Done, JobResult, NewJob, Repeat
from messaging.application.ports.unit_of_work import CallbackQueueRoles, OpenCallbackQueue, OpenUnitOfWork
from messaging.domain.callbacks.endpoint import EndpointStatus
from messaging.domain.callbacks.schedule import WINDOWS
from messaging.domain.callbacks.verdict import End
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import CallbackEndpointId
from messaging.domain.tenants.tenant import Principal

# Callbacks of one transaction, and transactions of one run of the job.
_PAGE: Final = 2_000
_PAGES: Final = 10


class PauseEndpoint:
    """Nothing more is posted, from a moment later on. What waits is held, and so is what comes."""

    def __init__(self, *, open_uow: OpenUnitOfWork) -> None:
        self._open = open_uow

    async def __call__(self, principal: Principal, endpoint_id: CallbackEndpointId) -> EndpointHealthView:
        """Raises DomainError: not_found, state_conflict."""
        async with self._open(principal.tenant_id, principal.mode) as uow:
            health = await known(uow, endpoint_id)
            if health.status is EndpointStatus.DISABLED:
                raise DomainError("state_conflict", "The endpoint is disabled: nothing is posted to it anyway.")
            await uow.callback_deliveries.switch(endpoint_id, EndpointStatus.PAUSED)
            view = EndpointHealthView.of(endpoint_id, await known(uow, endpoint_id))
            await uow.commit()
        return view


class EnableEndpoint:
    """Enables an endpoint that was paused, or that was disabled, with a closed breaker."""

    def __init__(self, *, open_uow: OpenUnitOfWork, clock: Clock) -> None:
        self._open = open_uow
        self._clock = clock

    async def __call__(
        self,
        principal: Principal,
        endpoint_id: CallbackEndpointId,
        *,
        was: EndpointStatus,
        since: datetime | None,
        everything: bool,
    ) -> EndpointHealthView:
        """What is held of `since` and later is posted: all of it with `everything`; else nothing, without `since`.

        Raises DomainError: not_found, state_conflict.
        """
        drop_before = None if everything else since or self._clock.now()
        async with self._open(principal.tenant_id, principal.mode) as uow:
            health = await known(uow, endpoint_id)
            if health.status not in (was, EndpointStatus.ENABLED):
                raise DomainError("state_conflict", f"The endpoint is {health.status}, not {was}.")
            await uow.callback_deliveries.switch(endpoint_id, EndpointStatus.ENABLED)
            await uow.outbox.enqueue(
                [
                    NewJob(
                        tenant_id=principal.tenant_id,
                        mode=principal.mode,
                        job=jobs.ReleaseCallbacks(endpoint_id=endpoint_id, drop_before=drop_before),
                        order_key=f"callbacks:{endpoint_id}",
                    )
                ]
            )
            view = EndpointHealthView.of(endpoint_id, await known(uow, endpoint_id))
            await uow.commit()
        return view


class ReleaseCallbacks:
    """The job that lets held callbacks go, by key and sequence, after it has discarded those nobody wants."""

    def __init__(self, *, open_uow: OpenCallbackQueue) -> None:
        self._open = open_uow

    async def __call__(self, job: jobs.ReleaseCallbacks, claimed: ClaimedJob) -> JobResult:
        endpoint = EndpointKey(claimed.tenant_id, job.endpoint_id)
        for _ in range(_PAGES):
            async with self._open() as uow:
                done = await self._page(uow, endpoint, job.drop_before, WINDOWS[claimed.mode])
                await uow.commit()
            if done:
                return Done()
        return Repeat(timedelta(0))

    async def _page(
        self, uow: CallbackQueueRoles, endpoint: EndpointKey, drop_before: datetime | None, window: timedelta
    ) -> bool:
        """Whether nothing is left to do."""
        if drop_before is not None:
            dropped = await uow.held_callbacks.drop(endpoint, before=drop_before, limit=_PAGE)
            await uow.callback_log.end([_skipped(it) for it in dropped])
            if len(dropped) == _PAGE:
                return False
        return await uow.held_callbacks.release(endpoint, window=window, limit=_PAGE) == 0


def _skipped(dropped: DroppedCallback) -> EndedCallback:
    return EndedCallback(
        endpoint=dropped.endpoint,
        event_id=dropped.event_id,
        state=End.DISCARDED,
        attempts=dropped.tries,
        last_failure="skipped",
    )
