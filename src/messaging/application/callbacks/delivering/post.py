"""Posts one callback: makes its request, exchanges it, and tells what the end means."""

import logging
from datetime import datetime, timedelta
from typing import Final

from messaging.application import crashpoints
from messaging.application.callbacks.delivering.outgoing import (
    NOT_CARRIED,
    Callback,
    Ended,
    OurFault,
    ended,
    request_of,
)
from messaging.application.ports.callbacks.delivering.exchange import CallbackExchange
from messaging.application.ports.clock import Clock
from messaging.application.ports.secrets import KeyRing, TenantCipher
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import StoreUnavailable
from messaging.domain.callbacks.verdict import Failed
from messaging.domain.shared.ids import Prefix, TenantId, typeid

log = logging.getLogger(__name__)

# Seconds for a whole exchange, from the name look-up to the beginning of the answer's body.
USUAL_TIMEOUT: Final = 15.0
# Nothing was sent, and nothing is said of the endpoint by it.
_NOT_SENT: Final = Failed(failure="not_sent", at_least=timedelta(seconds=5), uses_step=False)
_BROKE: Final = Failed(failure="internal_error")


class PostCallback:
    def __init__(
        self,
        *,
        exchange: CallbackExchange,
        snapshots: Snapshots,
        key_ring: KeyRing,
        clock: Clock,
        telemetry: Telemetry,
        agent: str,
        timeout: float = USUAL_TIMEOUT,
    ) -> None:
        self._exchange = exchange
        self._snapshots = snapshots
        self._key_ring = key_ring
        self._clock = clock
        self._telemetry = telemetry
        self._agent = agent
        self._timeout = timeout

    async def __call__(self, tenant_id: TenantId, callback: Callback) -> Ended:
        """The end of the attempt; nothing is raised, as a lane must not stay claimed because of one callback."""
        try:
            facts = await self._snapshots.tenant(tenant_id)
        except StoreUnavailable:
            return Ended(callback=callback, means=_NOT_SENT)
        if facts is None:
            return Ended(callback=callback, means=_NOT_SENT)
        try:
            return await self._posted(callback, self._key_ring.cipher(tenant_id, facts.data_keys))
        except Exception:
            log.exception("callback.broke", extra={"attempt_id": typeid(Prefix.CALLBACK_ATTEMPT, callback.attempt_id)})
            return Ended(callback=callback, means=_BROKE)

    async def _posted(self, callback: Callback, cipher: TenantCipher) -> Ended:
        at = self._clock.now()
        request = request_of(callback, cipher, at=at, timeout=self._timeout, agent=self._agent)
        if isinstance(request, OurFault):
            return Ended(callback=callback, means=request)
        self._observe(callback, at)
        crashpoints.reach("callback_post.before")
        try:
            exchanged = await self._exchange.post(request)
        except ValueError:
            return Ended(callback=callback, means=OurFault(NOT_CARRIED))
        crashpoints.reach("callback_post.after")
        return ended(callback, exchanged, cipher, now=self._clock.now())

    def _observe(self, callback: Callback, at: datetime) -> None:
        if callback.n == 1 and callback.head.replay_of is None:
            waited = (at - callback.head.created_at).total_seconds()
            self._telemetry.observe("callback_delay_seconds", max(waited, 0.0))
