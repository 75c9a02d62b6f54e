"""A process's JSON logs, from structlog and the standard library alike.

A log line carries ids and never what a message says or whom it reaches: the last processor before rendering blanks
fields that name secrets or people, and anything inside a text that looks like a key, a token, a phone number or a
password. It is a net under the rule, not a licence to log such things.
"""

import asyncio
import logging
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import Final, TextIO

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from messaging.entrypoints.observability.log_condenser import Condenser
from messaging.entrypoints.observability.redaction import Redaction

_QUIET: Final = ("arq", "uvicorn", "httpx", "httpcore", "aiohttp", "sqlalchemy", "asyncio", "alembic", "asyncpg")
encode = msgspec.json.Encoder(enc_hook=str).encode


def configure_logging(level: str, *, process: str, redaction: Redaction) -> None:
    """One JSON object per line on stderr, from structlog and the standard library alike; `process` is on every line.

    Values bound with structlog's context variables (request, tenant, message and trace ids) are on every line of
    their task.
    """
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _stamp(process),
    ]
    # `redaction` is the last step before rendering: nothing can be added behind it.
    after: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redaction,
        _render,
    ]
    handler = WrittenByTurns(sys.stderr)
    handler.addFilter(Condenser())
    chain = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after)
    handler.setFormatter(_PlainRecords(process=process, redaction=redaction, others=chain))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before[:3],
            before[4],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


class _PlainRecords(logging.Formatter):
    """Writes the standard library's records as structlog's chain would, in a fraction of its time.

    What is more than a message with fields (structlog's own events, exceptions) is left to the chain.
    """

    def __init__(self, *, process: str, redaction: Redaction, others: logging.Formatter) -> None:
        super().__init__()
        self._process = process
        self._redaction = redaction
        self._others = others

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, dict) or record.exc_info or record.stack_info:
            return self._others.format(record)
        event: EventDict = {
            **structlog.contextvars.get_contextvars(),
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            **{name: value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD},
            "process": self._process,
        }
        # The time of the line: no secret, and the one text in every line that looks like one, since its offset has a
        # '+'.
        return f'{{"at":"{timestamp()}",{self._redacted(event)[1:].decode()}'

    def _redacted(self, event: EventDict) -> bytes:
        """Redacts and renders an event. Most have nothing to redact, which one look at the whole line shows."""
        if self._redaction.names_none(event) and _PLAIN_TYPES.issuperset(map(type, event.values())):
            line = encode(event)
            if not self._redaction.may_hide(line.decode()):
                return line
        return encode(self._redaction(None, "", event))


class WrittenByTurns(logging.StreamHandler[TextIO]):
    """Writes at the end of a turn of the event loop. A warning or worse, or a line logged outside of a loop, is written
    at once with all that waits.

    A process that is killed loses the lines of its last turn; one that ends writes them (`logging.shutdown`).
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record))
            if record.levelno >= logging.WARNING or not self._is_written_later():
                self.flush()
        except Exception:  # noqa: BLE001 - told on stderr, as the standard library does
            self.handleError(record)

    def flush(self) -> None:
        with self.lock or nullcontext():
            lines, self._lines = self._lines, []
            if lines:
                self.stream.write("\n".join((*lines, "")))
            super().flush()

    def _is_written_later(self) -> bool:
        if len(self._lines) > 1:
            return True
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            return False
        return True


_OF_EVERY_RECORD: Final = frozenset(logging.makeLogRecord({}).__dict__)
_PLAIN_TYPES: Final = frozenset({str, int, float, bool, type(None)})


def _stamp(process: str) -> Processor:
    def stamp(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        event["at"] = timestamp()
        event["process"] = process
        return event

    return stamp


def timestamp() -> str:
    seconds, fraction = divmod(time(), 1)
    return f"{_in_words(int(seconds))}.{int(fraction * 1000):03d}+00:00"


@lru_cache(maxsize=4)
def _in_words(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()


def _render(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return encode(event).decode()
