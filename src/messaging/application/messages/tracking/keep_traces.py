"""Exports the traces of messages that ended badly or were slow, though sampling had passed them over.

Whoever writes a change notes it here, in memory. A little later the message's timeline is read, and the whole chain is
exported as it would have been at the time. Nothing depends on it: what does not fit, or is lost with the process, is
not exported, and `app trace` tells it all the same.
"""

from collections.abc import Callable, Iterable
from datetime import timedelta
from time import monotonic, time
from typing import Final

from msgspec import Struct

from messaging.application.messages.reading.trace import MOST_EVENTS, chain, provider_of
from messaging.application.ports.records import EventRow, MessageRow
from messaging.application.ports.snapshots import Snapshots
from messaging.application.ports.telemetry import Telemetry
from messaging.application.ports.unit_of_work import OpenMessages
from messaging.domain.messages.change import Change
from messaging.domain.messages.message_state import MessageKey
from messaging.domain.messages.state import State
from messaging.domain.shared.mode import Mode

# Ends after which somebody will ask what happened.
BAD_ENDS: Final = frozenset({State.FAILED, State.DEAD, State.UNKNOWN, State.UNCONFIRMED})
# Messages noted at once, at most, and of them slow ones: a backlog is slow as a whole, and tells nothing new by its
# thousandth message.
_MOST, _MOST_SLOW = 500, 20
# Messages whose traces are exported by one call, at most: when everything fails, tracing it must not add to the load.
_AT_ONCE: Final = 40
# Seconds after which the change has long been committed, or undone.
_SETTLED: Final = 2.0


class NotedEnds:
    """Messages whose trace is to be exported, by when they were noted. `wanted` is False where nothing is exported."""

    def __init__(
        self,
        *,
        wanted: bool,
        slow_after: timedelta,
        most: int = _MOST,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._wanted = wanted
        self.slow_after = slow_after
        self._most = most
        self._clock = clock
        self._failed: dict[MessageKey, float] = {}
        self._slow: dict[MessageKey, float] = {}

    def note(self, changes: Iterable[Change]) -> None:
        """Note the changes that are bad ends, or hand a message over late. They need not be committed yet."""
        if not self._wanted:
            return
        late = time() - self.slow_after.total_seconds()
        for change in changes:
            if change.state in BAD_ENDS:
                if len(self._failed) < self._most:
                    self._failed[change.key] = self._clock()
            elif change.state is State.SUBMITTED and _created(change.key) < late and len(self._slow) < _MOST_SLOW:
                self._slow[change.key] = self._clock()

    def take(self) -> list[MessageKey]:
        """Some of those that were noted a while ago; they are forgotten here."""
        before = self._clock() - _SETTLED
        taken = [key for noted in (self._failed, self._slow) for key, at in noted.items() if at < before][:_AT_ONCE]
        for key in taken:
            self._failed.pop(key, None)
            self._slow.pop(key, None)
        return taken


def _created(key: MessageKey) -> float:
    """When the message was accepted, in seconds since 1970: the id of a message begins with it in milliseconds."""
    return (key.message_id.int >> 80) / 1000


class _Told(Struct, frozen=True):
    row: MessageRow
    events: tuple[EventRow, ...]


class KeepTraces:
    """Exports the chains of noted messages; called again and again beside everything else."""

    def __init__(self, *, noted: NotedEnds, open_uow: OpenMessages, snapshots: Snapshots, telemetry: Telemetry) -> None:
        self._noted = noted
        self._open = open_uow
        self._snapshots = snapshots
        self._telemetry = telemetry

    async def __call__(self) -> int:
        """The number of chains exported. Raises StoreUnavailable; what was taken is forgotten then."""
        exported = 0
        for key in self._noted.take():
            told = await self._read(key)
            # A sampled trace was exported as it came about.
            if told is None or self._telemetry.traces(told.row.trace_id) or not self._is_worth_it(told):
                continue
            provider = provider_of(told.row, await self._snapshots.tenant(key.tenant_id))
            self._telemetry.emit(chain(key.tenant_id, told.row, told.events, provider))
            exported += 1
        return exported

    async def _read(self, key: MessageKey) -> _Told | None:
        """The message and its timeline, in whichever mode it is."""
        for mode in Mode:
            async with self._open(key.tenant_id, mode) as uow:
                row = await uow.records.message(key.message_id)
                if row is not None:
                    return _Told(row, tuple(await uow.records.events(key.message_id, after=0, limit=MOST_EVENTS)))
        return None

    def _is_worth_it(self, told: _Told) -> bool:
        """Whether it still stands that the message ended badly, or left late after it was due."""
        if told.row.state in BAD_ENDS:
            return True
        due_at = max(told.row.created_at, told.row.send_at or told.row.created_at)
        started = (event.recorded_at for event in told.events if event.type == "attempt.started")
        first = next(started, None)
        return first is not None and first - due_at > self._noted.slow_after
