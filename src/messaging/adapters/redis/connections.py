"""Redis connection pools whose network failures are always a RedisError or an OSError, and calls that do not wait long.

Callers that can go on without Redis ask with `Patience`: with a short time limit, and after a failure not at all for a
second.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from time import monotonic
from typing import Any, Final

from redis.asyncio import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.commands.core import AsyncScript
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

_CONNECT_SECONDS: Final = 2.0
_REPLY_SECONDS: Final = 5.0
# Seconds after a failure in which Redis is not asked: callers can go on without it, and must not wait each time.
_REST: Final = 1.0


def pool_of(url: str) -> ConnectionPool:
    """A pool in byte mode, for the Redis at `url`. It connects on first use; the caller closes it."""
    pool = ConnectionPool.from_url(url, socket_connect_timeout=_CONNECT_SECONDS, socket_timeout=_REPLY_SECONDS)
    pool.connection_class = _OURS[pool.connection_class]
    return pool


class _SaysWhenItIsGone:
    """A connection whose failed write to a closed socket is a RedisConnectionError.

    After the server has reset a connection and before anything was read from it, uvloop answers a write with a bare
    RuntimeError (`UVHandle._ensure_alive`), which redis-py passes on as it is.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]
        except RuntimeError as error:
            raise RedisConnectionError(str(error)) from error


class _Tcp(_SaysWhenItIsGone, Connection):
    pass


class _Tls(_SaysWhenItIsGone, SSLConnection):
    pass


class _Unix(_SaysWhenItIsGone, UnixDomainSocketConnection):
    pass


_OURS: Final = {Connection: _Tcp, SSLConnection: _Tls, UnixDomainSocketConnection: _Unix}


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
