"""The log of callbacks, and what they are made of, in memory."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from msgspec.structs import replace

from messaging.application.ports.callbacks.delivering.lanes import EndpointKey
from messaging.application.ports.callbacks.delivering.log import EndedCallback, FinishedAttempt, StartedAttempt
from messaging.application.ports.callbacks.delivering.targets import EventKey, StoredBodies, Target
from messaging.domain.callbacks.disabling import FailureRecord
from messaging.domain.callbacks.endpoint import DisabledReason, EndpointStatus
from messaging.domain.callbacks.verdict import End
from messaging.domain.shared.ids import CallbackAttemptId, CallbackEventId


class InMemoryCallbackLog:
    """`now` is when the attempts of a test are made."""

    def __init__(self) -> None:
        self.now: datetime | None = None
        self.started: dict[CallbackAttemptId, StartedAttempt] = {}
        self.at: dict[CallbackAttemptId, datetime] = {}
        self.finished: dict[CallbackAttemptId, FinishedAttempt] = {}
        self.ends: dict[tuple[EndpointKey, CallbackEventId], EndedCallback] = {}

    async def start(self, attempts: Sequence[StartedAttempt]) -> None:
        for it in attempts:
            self.started[it.id] = it
            if self.now is not None:
                self.at[it.id] = self.now

    async def finish(self, attempts: Sequence[FinishedAttempt]) -> None:
        self.finished |= {it.id: it for it in attempts if it.id in self.started}

    async def end(self, callbacks: Sequence[EndedCallback]) -> None:
        self.ends |= {(it.endpoint, it.event_id): it for it in callbacks}

    async def failures(self, endpoint: EndpointKey, *, since: datetime) -> FailureRecord:
        failed = sorted(
            self.at[id]
            for id, it in self.started.items()
            if it.endpoint == endpoint and id in self.finished and self.finished[id].outcome == "failed"
        )
        given_up = [it for it in self.ends.values() if it.endpoint == endpoint and it.state is End.EXHAUSTED]
        late = [at for at in failed if at >= since]
        return FailureRecord(
            failed_attempts=len(late),
            first_failed_at=min(late, default=None),
            last_failed_at=max(late, default=None),
            exhausted=len(given_up),
        )


class InMemoryCallbackTargets:
    def __init__(self) -> None:
        self.endpoints: dict[EndpointKey, Target] = {}
        self.stored: dict[EventKey, StoredBodies] = {}

    async def targets(self, endpoints: Collection[EndpointKey]) -> Mapping[EndpointKey, Target]:
        return {key: it for key, it in self.endpoints.items() if key in endpoints and it.endpoint.url_encrypted}

    async def bodies(self, events: Collection[EventKey]) -> Mapping[EventKey, StoredBodies]:
        return {key: self.stored[key] for key in events if key in self.stored}

    async def disable(self, endpoint: EndpointKey, reason: DisabledReason) -> bool:
        target = self.endpoints[endpoint]
        if target.endpoint.status is not EndpointStatus.ENABLED:
            return False
        disabled = replace(target.endpoint, status=EndpointStatus.DISABLED, disabled_reason=reason)
        self.endpoints[endpoint] = Target(endpoint=disabled, secrets=target.secrets)
        return True
