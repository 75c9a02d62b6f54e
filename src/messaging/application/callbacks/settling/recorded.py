"""Tells metrics and the log of the process what was written of callbacks, once it is committed."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, assert_never

from messaging.application.callbacks.delivering.outgoing import Ended, OurFault
from messaging.application.callbacks.settling.decide import Decision
from messaging.application.ports.callbacks.announcements import Announcement
from messaging.application.ports.callbacks.delivering.exchange import Answered
from messaging.application.ports.callbacks.delivering.lanes import EndpointKey
from messaging.application.ports.callbacks.delivering.log import FinishedAttempt
from messaging.application.ports.telemetry import Telemetry
from messaging.domain.callbacks.verdict import Delivered, Discarded, End, Failed, Gone, result_label
from messaging.domain.shared.ids import Prefix, typeid

if TYPE_CHECKING:
    from messaging.application.callbacks.settling.settle import Progress

log = logging.getLogger(__name__)


class Recorded:
    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def __call__(
        self,
        batch: "Sequence[Progress]",
        decisions: Mapping[EndpointKey, Decision],
        told: Sequence[Announcement],
    ) -> None:
        for it in batch:
            decision = decisions.get(it.lane.endpoint)
            states = {end.event_id: end.state for end in decision.ends} if decision is not None else {}
            for result in it.results:
                self._attempt(it.lane.endpoint, result, states.get(result.callback.head.callback.event_id))
        for decision in decisions.values():
            for end in decision.ends:
                if end.state is End.DEAD:
                    log.error("callback.dead", extra={"failure": end.last_failure, **_ids(end.endpoint)})
        for notice in told:
            log.warning(notice.type, extra=dict(notice.data))
            self._telemetry.count("endpoint_notices", level=notice.data.get("failing_for", notice.data["status"]))

    def _attempt(self, endpoint: EndpointKey, result: Ended, state: End | None) -> None:
        stored = result.callback.stored
        group = stored.type.partition(".")[0] if stored is not None else "unknown"
        _, failure = told(result)
        self._telemetry.count("callbacks", outcome=state or "failed", type_group=group)
        if result.exchanged is not None:
            label = result_label(result.status, failure)
            self._telemetry.count("callback_attempts", result=label)
            self._telemetry.observe(
                "callback_seconds", result.ms / 1000, pool="slow" if result.callback.probe else "fast"
            )
        if failure is not None:
            log.info("callback.failed", extra={"failure": failure, "n": result.callback.n, **_ids(endpoint)})


def told(result: Ended) -> tuple[str, str | None]:
    """The outcome of an attempt, and what was wrong, by their names in the log."""
    match result.means:
        case Delivered():
            return "delivered", None
        case Gone():
            return "discarded", "gone"
        case Discarded(reason):
            return "discarded", reason
        case OurFault(failure):
            return "dead", failure
        case Failed(failure=failure):
            return "failed", failure
        case _:
            assert_never(result.means)


def finished(endpoint: EndpointKey, result: Ended) -> FinishedAttempt:
    outcome, failure = told(result)
    exchanged = result.exchanged
    return FinishedAttempt(
        tenant_id=endpoint.tenant_id,
        id=result.callback.attempt_id,
        outcome=outcome,
        http_status=exchanged.status if isinstance(exchanged, Answered) else None,
        failure=failure,
        peer=exchanged.peer if exchanged is not None else None,
        excerpt=result.excerpt,
        ms=result.ms,
    )


def _ids(endpoint: EndpointKey) -> dict[str, str]:
    return {
        "tenant_id": typeid(Prefix.TENANT, endpoint.tenant_id),
        "endpoint_id": typeid(Prefix.CALLBACK_ENDPOINT, endpoint.endpoint_id),
    }
