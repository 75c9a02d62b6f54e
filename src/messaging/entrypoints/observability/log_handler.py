"""A log handler that writes all lines of one turn of the event loop with a single write, which saves time."""

import asyncio
import logging
from contextlib import nullcontext
from typing import TextIO


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
