"""Decides whether a number may send to a user now: throughput, pair rate and the 24-hour window."""

from collections import deque

from messaging.entrypoints.sandbox.core.settings import Settings
from messaging.entrypoints.sandbox.whatsapp_cloud.wire.graph_errors import GraphError

_PRUNE_EVERY = 20_000


class Throughput:
    """At most n messages of a number in any one second, inbound and outbound together."""

    def __init__(self) -> None:
        self._recent: dict[str, deque[float]] = {}

    def check(self, phone_number_id: str, mps: float | None, now: float) -> None:
        """Raise 130429 when the second is full."""
        if mps is not None and len(self._second(phone_number_id, now)) >= max(1.0, mps):
            raise GraphError(130429)

    def note(self, phone_number_id: str, mps: float | None, now: float) -> None:
        """Count one message; incoming ones count too, but are never refused."""
        if mps is not None:
            self._second(phone_number_id, now).append(now)

    def _second(self, phone_number_id: str, now: float) -> deque[float]:
        recent = self._recent.setdefault(phone_number_id, deque())
        while recent and recent[0] <= now - 1:
            recent.popleft()
        return recent


class PairRate:
    """Limits one message per interval and (number, user); a burst borrows from the future and is then paid off.

    Within the first interval of a burst up to `pair_burst` messages pass, and each moves the time of the next regular
    one by an interval: after 20 at once the pair is silent for about two minutes.
    """

    def __init__(self) -> None:
        self._debts: dict[tuple[str, str], tuple[float, int, float]] = {}
        self._calls = 0

    def take(self, phone_number_id: str, user: str, settings: Settings, now: float) -> None:
        """Count one outgoing message; raises 131056 instead while the pair pays off a burst."""
        if not settings.pair_limit:
            return
        interval = settings.pair_interval_ms / 1000
        started, count, free_at = self._debts.get((phone_number_id, user), (now, 0, now))
        if now >= free_at:
            started, count, free_at = now, 0, now
        elif now - started >= interval or count >= settings.pair_burst:
            raise GraphError(131056)
        self._debts[phone_number_id, user] = (started, count + 1, free_at + interval)
        self._prune(now)

    def _prune(self, now: float) -> None:
        self._calls += 1
        if self._calls % _PRUNE_EVERY == 0:
            self._debts = {pair: debt for pair, debt in self._debts.items() if debt[2] > now}


class Windows:
    """When each user last wrote to each number."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], float] = {}

    def open(self, phone_number_id: str, users: tuple[str, ...], at: float) -> None:
        """The user, under every id it is known by, wrote at `at`."""
        for user in users:
            key = (phone_number_id, user)
            self._last[key] = max(at, self._last.get(key, 0.0))

    def is_open(self, phone_number_id: str, user: str, hours: float, now: float) -> bool:
        """Whether the latest message is younger than `hours`."""
        last = self._last.get((phone_number_id, user))
        return last is not None and now - last < hours * 3600
