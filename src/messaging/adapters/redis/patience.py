"""Calls to Redis with a short time limit, and a pause after a failure during which Redis is not asked at all."""

import asyncio
import logging
from collections.abc import Sequence
from time import monotonic
from typing import Any, Final

from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

# Seconds after a failure in which Redis is not asked: callers can go on without it, and must not wait each time.
_REST: Final = 1.0


class RedisAway(Exception):
    """Redis gave no answer in time; it is not known whether the script ran."""


class Patience:
    """Runs scripts with a time limit of `seconds` each, and logs `event` when Redis did not answer."""

    def __init__(self, *, seconds: float, event: str) -> None:
        self._seconds = seconds
        self._event = event
        self._asks_again_at = 0.0

    async def run(self, script: AsyncScript, *, keys: Sequence[str], args: Sequence[bytes | int]) -> Any:
        """The script's answer. Raises RedisAway when there is none, or during the pause after a failure."""
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
