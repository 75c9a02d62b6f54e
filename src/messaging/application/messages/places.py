"""How many sends may be under way in this process, and who gets the next free place?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from messaging.domain.messages.message import Priority

# What a priority may take of the concurrency, so that slow campaign sends never occupy an OTP's place.
_SHARE: Final = {Priority.CRITICAL: 1.0, Priority.HIGH: 0.9, Priority.DEFAULT: 0.75, Priority.LOW: 0.5}


class Places:
    """Bounds the sends of one process; a claim first reserves its places, its sends then take them over."""

    def __init__(self, *, concurrency: int, batch: int) -> None:
        self._concurrency = concurrency
        self._batch = batch
        self._under_way: set[asyncio.Task[None]] = set()
        self._taken: set[asyncio.Task[None]] = set()
        self._reserved = 0
        self._closed = False

    @property
    def taken(self) -> int:
        """Messages claimed by this process whose outcome is not written yet."""
        return len(self._under_way)

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """No places for claims from now on."""
        self._closed = True

    def take(self, send: asyncio.Task[None]) -> None:
        """`send` has a place until it ends or gives it back."""
        self._under_way.add(send)
        self._taken.add(send)
        send.add_done_callback(self._end)

    def give_back(self, send: asyncio.Task[None]) -> None:
        """`send` goes on without a place."""
        self._taken.discard(send)

    def _end(self, send: asyncio.Task[None]) -> None:
        self._under_way.discard(send)
        self._taken.discard(send)

    @asynccontextmanager
    async def reserved(self, priority: Priority) -> AsyncIterator[int]:
        """Free places for this priority, nobody else's meanwhile; 0 once closed."""
        places = await self._free(priority)
        self._reserved += places
        try:
            yield places
        finally:
            self._reserved -= places

    async def wait_for_one(self) -> None:
        while len(self._taken) >= self._concurrency:
            await self._wait_for_change()

    async def wait_for_all(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _free(self, priority: Priority) -> int:
        """Waits while less than a quarter is free, so that claims stay batches."""
        limit = max(1, int(self._concurrency * _SHARE[priority]))
        enough = max(1, limit // 4)
        while not self._closed:
            free = limit - len(self._taken) - self._reserved
            if free >= enough:
                return min(free, self._batch)
            if not self._taken:
                return 0
            await self._wait_for_change()
        return 0

    async def _wait_for_change(self) -> None:
        """Until a send ends, or may have given its place back."""
        await asyncio.wait(self._taken, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
