"""Does the embedded PostgreSQL keep its promises: real, durable, private, and gone when we are?"""

import shutil
from pathlib import Path

import asyncpg
import pytest

from messaging.entrypoints.lab.dev.processes.children import ChildFailed
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres, Shutdown


async def fetch_value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_a_commit_survives_an_immediate_stop_at_the_same_address() -> None:
    async with EmbeddedPostgres() as server:
        url = server.url()
        await fetch_value(url, "CREATE TABLE kept AS SELECT 42 AS answer")

        await server.restart(Shutdown.IMMEDIATE)

        assert server.url() == url
        assert await fetch_value(url, "SELECT answer FROM kept") == 42


async def test_a_cluster_in_a_state_directory_is_found_again(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as first:
        await fetch_value(first.url(), "CREATE TABLE kept AS SELECT 42 AS answer")
    try:
        async with EmbeddedPostgres(tmp_path) as second:
            assert await fetch_value(second.url(), "SELECT answer FROM kept") == 42
    finally:
        shutil.rmtree(first.home)  # outside tmp_path when the server's account cannot enter that


async def test_a_wrong_password_is_refused(postgres_server: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_server.url(password="wrong"))


async def test_tcp_is_loopback_only_and_on_request() -> None:
    async with EmbeddedPostgres(port=0) as server:
        assert await fetch_value(server.tcp_url(), "SELECT host(inet_server_addr())") == "127.0.0.1"
        assert await fetch_value(server.tcp_url(), "SHOW listen_addresses") == "127.0.0.1"


async def test_even_a_throw_away_cluster_is_durable_and_it_leaves_no_files() -> None:
    async with EmbeddedPostgres() as server:
        home = server.home
        assert (home / "data").is_dir()
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert await fetch_value(server.url(), f"SELECT current_setting('{setting}')") == "on"

    assert not home.exists()


async def test_a_server_that_cannot_start_says_why() -> None:
    server = EmbeddedPostgres(settings={"shared_buffers": "nonsense"})

    try:
        with pytest.raises(ChildFailed, match='invalid value for parameter "shared_buffers"'):
            await server.start()
    finally:
        await server.close()


async def test_one_state_directory_serves_one_server(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path) as first:
        second = EmbeddedPostgres(tmp_path)
        try:
            with pytest.raises(ChildFailed, match=r'lock file "postmaster\.pid" already exists'):
                await second.start()
            assert await fetch_value(first.url(), "SELECT 1") == 1
        finally:
            await second.close()
    shutil.rmtree(first.home)


@pytest.mark.parametrize("turn", ["first", "second"])
async def test_every_test_gets_a_database_without_traces_of_the_one_before(empty_database: str, turn: str) -> None:
    await fetch_value(empty_database, f"CREATE TABLE made_once AS SELECT '{turn}' AS turn")

    assert await fetch_value(empty_database, "SELECT turn FROM made_once") == turn
