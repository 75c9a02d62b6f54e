"""Does a connection to Redis that is gone always say so in the same words?"""

import asyncio
from collections.abc import Callable

import pytest
import uvloop
from redis.exceptions import ConnectionError as RedisConnectionError

from messaging.adapters.redis.connections import pool_of


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_a_connection_that_is_gone_is_a_connection_error(
    redis_url: str, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def lose_it_and_ask() -> None:
        pool = pool_of(redis_url)
        connection = pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()
        try:
            # As after a reset: the loop has closed it, and who owns it has not looked yet.
            connection._writer.transport.abort()
            await asyncio.sleep(0.01)
            await connection.send_command("PING")
            await connection.read_response()
        finally:
            await connection.disconnect()

    with asyncio.Runner(loop_factory=loop_factory) as runner, pytest.raises(RedisConnectionError):
        runner.run(lose_it_and_ask())


@pytest.mark.parametrize("url", ["rediss://localhost/0", "unix:///run/redis.sock"])
def test_every_kind_of_address_has_connections_of_ours(url: str) -> None:
    assert pool_of(url).connection_class.__module__ == "messaging.adapters.redis.connections"
