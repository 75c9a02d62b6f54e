"""The clock of a storm, which stands still while too many messages wait, so that slow machines can follow."""

import asyncio
import time
from typing import Final

import asyncpg

# Messages waiting for their first attempt above which the clock stands still: some are always due, and a second's worth
# more does no harm.
_TOO_MANY: Final = 500
_LOOK_SECONDS: Final = 0.5
# Longest pause, in seconds: a platform that does not deliver at all must not stop the storm for ever.
_LONGEST_PAUSE: Final = 90.0

_WAITING: Final = "SELECT count(*) FROM dispatches WHERE kind = 'deliver' AND due_at <= statement_timestamp()"


class Pace:
    """The storm's clock, in seconds. By an ordinary clock a slow machine would end every storm with a backlog."""

    def __init__(self, *, url: str) -> None:
        self._url = url
        self._began = time.monotonic()
        self._paused = 0.0

    def begin(self) -> None:
        self._began = time.monotonic()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began - self._paused

    async def until(self, at: float) -> None:
        """Return when storm time has come to `at`."""
        while (rest := at - self.now) > 0:
            await asyncio.sleep(min(rest, _LOOK_SECONDS))

    async def keep(self) -> None:
        """Watches the backlog, bypassing the proxies, until cancelled."""
        since: float | None = None
        while True:
            began = time.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)
            since = (since or began) if await self._too_much() else None
            if since is not None and began - since < _LONGEST_PAUSE:
                self._paused += time.monotonic() - began

    async def _too_much(self) -> bool:
        """Whether too many messages wait. False while the database is down: then nothing can be accepted either."""
        try:
            connection = await asyncpg.connect(self._url, timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        try:
            return bool(await connection.fetchval(_WAITING) > _TOO_MANY)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        finally:
            connection.terminate()
