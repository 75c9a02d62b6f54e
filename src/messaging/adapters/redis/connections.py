"""Redis connection pools whose network failures are always a RedisError or an OSError."""

from collections.abc import Iterable
from typing import Final

from redis.asyncio import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import ConnectionError as RedisConnectionError

_CONNECT_SECONDS: Final = 2.0
_REPLY_SECONDS: Final = 5.0


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
