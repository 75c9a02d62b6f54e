"""Recent exchanges of endpoints, as far as this process made them: for the breaker, and to tell slow endpoints."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from time import monotonic
from typing import Final, NamedTuple

from messaging.application.callbacks.settling.decide import Lately
from messaging.application.ports.callbacks.delivering.lanes import EndpointKey

_ENDPOINTS: Final = 20_000
_EXCHANGES: Final = 100
_SECONDS: Final = 60.0
# An endpoint is slow when one in twenty of its answers takes longer, of at least so many.
_SLOW_MS: Final = 5_000
_FEWEST: Final = 20
_ONE_IN: Final = 20


class _Exchange(NamedTuple):
    at: float
    succeeded: bool
    ms: int


class RecentExchanges:
    """The last 100 exchanges of each of the last 20 000 endpoints."""

    def __init__(self) -> None:
        self._of: OrderedDict[EndpointKey, deque[_Exchange]] = OrderedDict()

    def add(self, endpoint: EndpointKey, exchanges: Sequence[tuple[bool, int]]) -> Lately:
        """Note whether exchanges succeeded and how many milliseconds they took; returns what that makes lately."""
        now = monotonic()
        mine = self._of.setdefault(endpoint, deque(maxlen=_EXCHANGES))
        self._of.move_to_end(endpoint)
        if len(self._of) > _ENDPOINTS:
            self._of.popitem(last=False)
        mine.extend(_Exchange(now, succeeded, ms) for succeeded, ms in exchanges)
        return Lately(
            [it.succeeded for it in mine if now - it.at < _SECONDS],
            len(mine) >= _FEWEST and sum(it.ms > _SLOW_MS for it in mine) * _ONE_IN >= len(mine),
        )
