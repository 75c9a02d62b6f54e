"""Sets the gauges of what waits for endpoints."""

from messaging.application.ports.callbacks.delivering.depths import CallbackVitals
from messaging.application.ports.telemetry import Telemetry


class MeasureCallbacks:
    def __init__(self, *, vitals: CallbackVitals, telemetry: Telemetry) -> None:
        self._vitals = vitals
        self._telemetry = telemetry

    async def __call__(self) -> None:
        """Raises StoreUnavailable."""
        depths = await self._vitals.depths()
        for state, count in depths.lanes.items():
            self._telemetry.gauge("callback_lanes", count, state=state)
        self._telemetry.gauge("callback_lanes", depths.slow, state="slow")
        self._telemetry.gauge("callback_queue", depths.due, state="due")
        self._telemetry.gauge("callback_queue", depths.held, state="held")
        self._telemetry.gauge("callback_oldest_due_seconds", depths.oldest_due)
