"""Writes the attempts of claimed callbacks before anything is posted, and reads what they are made of."""

from collections.abc import Mapping, Sequence

from messaging.application.callbacks.delivering.outgoing import Callback
from messaging.application.ports.callbacks.delivering.lanes import EndpointKey, Head
from messaging.application.ports.callbacks.delivering.log import StartedAttempt
from messaging.application.ports.callbacks.delivering.targets import EventKey
from messaging.application.ports.clock import NewId
from messaging.application.ports.unit_of_work import CallbackQueueRoles
from messaging.domain.shared.ids import CallbackAttemptId


class StartAttempts:
    """Works in the transaction that claimed the callbacks, so that no request is without its attempt."""

    def __init__(self, *, new_id: NewId) -> None:
        self._new_id = new_id

    async def __call__(
        self,
        uow: CallbackQueueRoles,
        claimed: Mapping[EndpointKey, Sequence[Head]],
        *,
        probes: Mapping[EndpointKey, bool],
    ) -> Mapping[EndpointKey, Sequence[Callback]]:
        """By endpoint; those whose URL has gone are left out. `probes` tells where the breaker is open."""
        claimed = {endpoint: heads for endpoint, heads in claimed.items() if heads}
        if not claimed:
            return {}
        targets = await uow.callback_targets.targets(claimed)
        keys = {EventKey(lane.tenant_id, head.callback.event_id) for lane, heads in claimed.items() for head in heads}
        bodies = await uow.callback_targets.bodies(keys)
        started = {
            endpoint: [
                Callback(
                    head=head,
                    attempt_id=CallbackAttemptId(self._new_id()),
                    target=targets[endpoint],
                    stored=bodies.get(EventKey(endpoint.tenant_id, head.callback.event_id)),
                    probe=probes.get(endpoint, False),
                )
                for head in heads
            ]
            for endpoint, heads in claimed.items()
            if endpoint in targets
        }
        await uow.callback_log.start([_attempt(lane, it) for lane, callbacks in started.items() for it in callbacks])
        return started


def _attempt(endpoint: EndpointKey, callback: Callback) -> StartedAttempt:
    return StartedAttempt(
        endpoint=endpoint,
        event_id=callback.head.callback.event_id,
        id=callback.attempt_id,
        n=callback.n,
        url_host=callback.target.endpoint.url_host or "",
        probe=callback.probe,
    )
