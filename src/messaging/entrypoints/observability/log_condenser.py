"""Writes fewer log lines about one trouble: the first of each kind, then one every few seconds with a count.

A store that is down makes every task of a process fail once a second, and a defect in a loop writes its traceback as
often. Such lines tell nothing that the first did not. A line about a store names it (`extra={"store": "postgres"}`);
those of one store are one trouble, whichever task writes them. Any other warning or error is the same trouble as one
before if it has the same logger, event, fields and exception; two requests are two troubles, as each has its id.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from structlog.contextvars import get_contextvars

# Seconds between two lines of one trouble; and seconds without any line after which a trouble counts as new.
_EVERY: Final = 10.0
_QUIET: Final = 30.0
_MOST_TROUBLES: Final = 256
_OF_EVERY_RECORD: Final = frozenset(logging.makeLogRecord({}).__dict__)


@dataclass(slots=True)
class _Trouble:
    began: float
    last: float
    told: float
    untold: int = 0
    events: set[str] = field(default_factory=set)


class Condenser(logging.Filter):
    """A handler's filter. Kept lines say in `repeated` how many like them were left out before them.

    A line with `extra={"store": …, "back": True}` ends the store's trouble: it is kept if there was any, and says for
    how many `seconds` it lasted; otherwise it is dropped.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._troubles: dict[object, _Trouble] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        store = getattr(record, "store", None)
        if store is not None and hasattr(record, "back"):
            return self._is_over(record, store)
        if record.levelno < logging.WARNING or isinstance(record.msg, dict):
            return True
        return self._is_told(record, store)

    def _is_over(self, record: logging.LogRecord, store: object) -> bool:
        trouble = self._troubles.pop(("store", store), None)
        if trouble is None:
            return False
        record.repeated = trouble.untold
        record.seconds = round(self._clock() - trouble.began, 1)
        return True

    def _is_told(self, record: logging.LogRecord, store: object) -> bool:
        now = self._clock()
        key = _likeness(record) if store is None else ("store", store)
        trouble = self._troubles.get(key)
        if trouble is None or now - trouble.last > _QUIET:
            self._forget_some()
            trouble = self._troubles[key] = _Trouble(began=now, last=now, told=now)
        trouble.last = now
        event = record.getMessage()
        if event not in trouble.events or now - trouble.told >= _EVERY:
            if trouble.untold:
                record.repeated, trouble.untold = trouble.untold, 0
            trouble.events.add(event)
            trouble.told = now
            return True
        trouble.untold += 1
        return False

    def _forget_some(self) -> None:
        """The oldest first: what many different lines are about is told line by line anyway."""
        while len(self._troubles) >= _MOST_TROUBLES:
            del self._troubles[next(iter(self._troubles))]


def _likeness(record: logging.LogRecord) -> object:
    fields = sorted((name, str(value)) for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD)
    error = record.exc_info[1] if record.exc_info else None
    context = tuple(sorted((name, str(value)) for name, value in get_contextvars().items()))
    return record.name, record.getMessage(), record.levelno, tuple(fields), type(error), str(error), context
