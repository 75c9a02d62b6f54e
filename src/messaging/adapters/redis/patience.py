"""Calls to Redis with a short time limit, and a pause after a failure during which Redis is not asked at all."""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

# Whoever asks has a way to go on alone, and must not wait for a Redis that is away every time.
_REST: Final = 1.0


class RedisAway(Exception):
    """No answer; whether the script ran is not known."""


class Patience:
    """`seconds` is the longest wait for an answer; `event` is logged when there was none."""

    def __init__(self, *, seconds: float, event: str) -> None:
        self._seconds = seconds
        self._event = event
        self._asks_again_at = 0.0

    async def run(self, script: AsyncScript, *, keys: Sequence[str], args: Sequence[bytes | int]) -> Any:
        """Raises RedisAway."""
        if monotonic() < self._asks_again_at:
            raise RedisAway
        try:
            async with asyncio.timeout(self._seconds):
                answer = await script(keys=keys, args=args)
        except (RedisError, OSError) as error:
            self._asks_again_at = monotonic() + _REST
            log.warning(self._event, extra={"error": type(error).__name__, "store": "redis"})
            raise RedisAway from error
        if self._asks_again_at:
            self._asks_again_at = 0.0
            log.info("redis.back", extra={"store": "redis", "back": True})
        return answer
