"""A process's JSON logs, from structlog and the standard library alike.

A log line carries ids and never what a message says or whom it reaches: the last processor before rendering blanks
fields that name secrets or people, and anything inside a text that looks like a key, a token, a phone number or a
password. It is a net under the rule, not a licence to log such things.
"""

import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from time import time
from typing import Final

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from messaging.entrypoints.observability.log_condenser import Condenser
from messaging.entrypoints.observability.log_handler import WrittenByTurns

_BLANK: Final = "[redacted]"
_UNSPEAKABLE: Final = frozenset(
    {
        *("to", "recipient", "recipients", "phone", "email", "address", "wa_id", "from", "user_id", "profile"),
        *("body", "content", "contents", "payload", "text", "caption", "variables", "parameters", "metadata"),
        *("authorization", "token", "access_token", "webhook_token", "verify_token", "secret", "app_secret"),
        *("app_secrets", "password", "api_key", "master_key", "credentials", "cookie", "idempotency_key"),
    }
)
_LOOKS_SECRET: Final = re.compile(
    r"mpk_(?:live|test|admin)_[A-Za-z0-9_]+"  # our keys
    r"|(?i:bearer)\s+[^\s\"',]+"
    r"|\bEAA[A-Za-z0-9]{16,}"  # Meta's access tokens
    r"|(?<=/webhooks/)[a-z_]+/[A-Za-z0-9_-]{16,}"  # webhook paths are secrets
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"  # credentials in a URL
    r"|\+[1-9][0-9]{6,14}\b"  # phone numbers
)
# Whatever looks secret contains one of these in lower case. Nearly every text has none, which is found sooner.
_SIGNS_OF_SECRETS: Final = ("mpk_", "bearer", "eaa", "/webhooks/", "://", "+")
_QUIET: Final = ("arq", "uvicorn", "httpx", "httpcore", "aiohttp", "sqlalchemy", "asyncio", "alembic", "asyncpg")
encode = msgspec.json.Encoder(enc_hook=str).encode


def configure_logging(level: str, *, process: str) -> None:
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
    # `redact` is the last step before rendering: nothing can be added behind it.
    after: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact,
        _render,
    ]
    handler = WrittenByTurns(sys.stderr)
    handler.addFilter(Condenser())
    chain = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after)
    handler.setFormatter(_PlainRecords(process=process, others=chain))
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

    def __init__(self, *, process: str, others: logging.Formatter) -> None:
        super().__init__()
        self._process = process
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
        return f'{{"at":"{timestamp()}",{_redacted(event)[1:].decode()}'


_OF_EVERY_RECORD: Final = frozenset(logging.makeLogRecord({}).__dict__)
_PLAIN_TYPES: Final = frozenset({str, int, float, bool, type(None)})


def _redacted(event: EventDict) -> bytes:
    """Redacts and renders an event. Most have nothing to redact, which one look at the whole line shows."""
    if _UNSPEAKABLE.isdisjoint(event) and _PLAIN_TYPES.issuperset(map(type, event.values())):
        line = encode(event)
        if not _has_signs(line.decode()):
            return line
    return encode(redact(None, "", event))


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


def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Blanks what must not be read in a log; keys are judged by name, texts by their look."""
    return {key: _BLANK if key in _UNSPEAKABLE else _clean(value) for key, value in event.items()}


def _clean(value: object) -> object:
    match value:
        case str():
            return without_secrets(value)
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {key: _BLANK if key in _UNSPEAKABLE else _clean(item) for key, item in value.items()}
        case list() | tuple():
            return [_clean(item) for item in value]
        case _:
            return without_secrets(str(value))


def without_secrets(text: str) -> str:
    return _LOOKS_SECRET.sub(_BLANK, text) if _has_signs(text) else text


def _has_signs(text: str) -> bool:
    return any(map(text.lower().__contains__, _SIGNS_OF_SECRETS))


def _render(logger: WrappedLogger, method: str, event: EventDict) -> str:
    return encode(event).decode()
