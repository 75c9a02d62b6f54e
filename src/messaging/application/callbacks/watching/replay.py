"""Posts one event to an endpoint once more, whatever became of it before."""

from typing import Annotated

from msgspec import Meta, Struct

from messaging.application.callbacks.announcing.queries import KEPT
from messaging.application.callbacks.watching.queries import known
from messaging.application.ports.callbacks.delivering.lanes import QueuedCallback
from messaging.application.ports.clock import Clock, NewId
from messaging.application.ports.unit_of_work import OpenUnitOfWork
from messaging.domain.callbacks.endpoint import EndpointStatus
from messaging.domain.callbacks.schedule import WINDOWS
from messaging.domain.shared.errors import DomainError
from messaging.domain.shared.ids import CallbackEndpointId, CallbackEventId, Prefix, typeid
from messaging.domain.shared.refusals import not_found
from messaging.domain.tenants.tenant import Principal


class ReplayedEventView(Struct, frozen=True, kw_only=True):
    """An event that is posted once more, with its own id and the header `webhook-replay: true`."""

    event_id: Annotated[str, Meta(description="The event; its callback carries the same webhook-id as before.")]
    endpoint_id: Annotated[str, Meta(description="Where it is posted.")]


class ReplayEvent:
    """It waits for no other event about its subject, and none waits for it."""

    def __init__(self, *, open_uow: OpenUnitOfWork, clock: Clock, new_id: NewId) -> None:
        self._open = open_uow
        self._clock = clock
        self._new_id = new_id

    async def __call__(
        self, principal: Principal, event_id: CallbackEventId, endpoint_id: CallbackEndpointId
    ) -> ReplayedEventView:
        """Raises DomainError: not_found, state_conflict."""
        now, replay_id = self._clock.now(), self._new_id()
        async with self._open(principal.tenant_id, principal.mode) as uow:
            event = await uow.callback_events.one(event_id)
            if event is None or event.created_at < now - KEPT:
                raise not_found()
            if (await known(uow, endpoint_id)).status is not EndpointStatus.ENABLED:
                raise DomainError("state_conflict", "The endpoint is not enabled: resume or enable it first.")
            callback = QueuedCallback(
                tenant_id=principal.tenant_id,
                endpoint_id=endpoint_id,
                key=f"replay:{replay_id}",
                sequence=0,
                event_id=event_id,
                window_ends_at=now + WINDOWS[principal.mode],
                replay_of=replay_id,
            )
            await uow.lanes.enqueue([callback])
            await uow.commit()
        return ReplayedEventView(
            event_id=typeid(Prefix.EVENT, event_id), endpoint_id=typeid(Prefix.CALLBACK_ENDPOINT, endpoint_id)
        )
