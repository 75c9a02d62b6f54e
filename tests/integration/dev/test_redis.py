"""Does the embedded Redis keep its promises: real, never evicting, and restartable in place?"""

from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from messaging.entrypoints.lab.dev.processes.children import ChildFailed
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis


async def test_data_survives_an_orderly_restart_at_the_same_address(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as server:
        url = server.url
        async with Redis.from_url(url) as client:
            await client.set("key", "value")

        await server.restart()

        assert server.url == url
        async with Redis.from_url(url) as client:
            assert await client.get("key") == b"value"


async def test_it_refuses_writes_rather_than_evicting(redis_url: str) -> None:
    async with Redis.from_url(redis_url) as client:
        assert await client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert await client.config_get("appendonly") == {"appendonly": "yes"}


async def test_a_tcp_port_asks_for_the_password() -> None:
    async with EmbeddedRedis(port=0) as server:
        async with Redis.from_url(server.tcp_url) as client:
            assert await client.ping()
        async with Redis(port=server.port or 0) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.ping()


async def test_it_starts_again_after_a_crash(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path) as server:
        await server.kill()

        await server.start()

        async with Redis.from_url(server.url) as client:
            assert await client.ping()


async def test_one_state_directory_serves_one_server(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path):
        second = EmbeddedRedis(tmp_path)
        try:
            with pytest.raises(ChildFailed, match="another Redis uses"):
                await second.start()
        finally:
            await second.close()
