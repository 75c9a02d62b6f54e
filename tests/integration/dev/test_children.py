"""Does a child start, show its readiness, end when asked, and die when we are killed?"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from messaging.entrypoints.lab.dev.processes.children import ChildFailed, ChildProcess
from messaging.entrypoints.lab.dev.processes.loopback import free_port
from messaging.entrypoints.lab.dev.processes.scratch import ScratchDirectory

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
while True: time.sleep(60)
"""

# Whatever was started in the background of a script, tests among it, hands on a SIGINT that is ignored.
SUPERVISOR = """
import asyncio, json, signal
from messaging.entrypoints.lab.dev.servers.postgres import EmbeddedPostgres
from messaging.entrypoints.lab.dev.servers.redis import EmbeddedRedis

signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    async with EmbeddedPostgres() as postgres, EmbeddedRedis() as redis:
        homes = [str(postgres.home), str(redis.home)]
        print(json.dumps({"pids": [postgres.pid, redis.pid], "homes": homes}), flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def python(tmp_path: Path, program: str, *arguments: str, env: dict[str, str] | None = None) -> ChildProcess:
    command = (sys.executable, "-c", program, *arguments)
    return ChildProcess("program", command, log=tmp_path / "program.log", env=env)


async def eventually(condition: Callable[[], bool], *, within: float = 60) -> None:
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


async def test_a_child_is_ready_when_its_address_answers(tmp_path: Path) -> None:
    port = str(free_port())
    child = ChildProcess(
        "web",
        (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path), port),
        log=tmp_path / "web.log",
    )

    async with child:
        await child.answers(f"http://127.0.0.1:{port}/", within=60)
        assert child.is_running

    assert child.exit_code == -signal.SIGTERM


async def test_whoever_else_listens_on_the_port_of_a_child_is_not_taken_for_it(tmp_path: Path) -> None:
    port = str(free_port())
    (tmp_path / "healthz").write_text('{"status": "ok", "instance": "another installation"}')
    command = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path), port)

    async with ChildProcess("web", command, log=tmp_path / "web.log") as stranger:
        await stranger.answers(f"http://127.0.0.1:{port}/healthz", within=60, instance="another installation")
        # Ours could not listen there, and has ended.
        async with python(tmp_path, "import sys; sys.exit('the port is in use')") as child:
            with pytest.raises(ChildFailed, match="the port is in use"):
                await child.answers(f"http://127.0.0.1:{port}/healthz", instance="ours")


async def test_a_child_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = python(tmp_path, "import sys; sys.exit('no such setting: APP_COLOUR')")

    async with child:
        with pytest.raises(ChildFailed, match="no such setting: APP_COLOUR"):
            await child.answers("http://127.0.0.1:1/")


async def test_a_child_that_never_gets_ready_is_reported(tmp_path: Path) -> None:
    async with python(tmp_path, STUBBORN) as child:
        with pytest.raises(ChildFailed, match=r"not ready within 0\.1 s"):
            await child.answers("http://127.0.0.1:1/", within=0.1)
        child.kill()


async def test_a_child_that_ignores_the_request_to_stop_is_killed(tmp_path: Path) -> None:
    child = python(tmp_path, STUBBORN)
    child.start()
    await eventually(lambda: "deaf" in child.log_tail())

    assert await child.stop(grace=0.1) == -signal.SIGKILL


async def test_a_child_sees_only_the_environment_it_is_given(tmp_path: Path) -> None:
    program = "import json, os; print(json.dumps(sorted(k for k in os.environ if k.startswith('APP_'))))"
    child = python(tmp_path, program, env={"APP_MASTER_KEY": "k"})

    child.start()
    await child.wait()

    assert json.loads(child.log_tail()) == ["APP_MASTER_KEY"]


async def test_a_missing_program_is_reported(tmp_path: Path) -> None:
    child = ChildProcess("ghost", ("/nonexistent/program",), log=tmp_path / "ghost.log")

    child.start()

    assert await child.wait() != 0
    assert "cannot start /nonexistent/program" in child.log_tail()


class Servers(msgspec.Struct, frozen=True, kw_only=True):
    pids: tuple[int, ...]
    homes: tuple[str, ...]

    def any_alive(self) -> bool:
        return any(map(is_alive, self.pids))


async def servers_of(supervisor: ChildProcess) -> Servers:
    await eventually(lambda: supervisor.log_tail().endswith("}\n") or not supervisor.is_running, within=60)
    return msgspec.json.decode(supervisor.log_tail(), type=Servers)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
async def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    supervisor = python(tmp_path, SUPERVISOR)
    supervisor.start()
    try:
        servers = await servers_of(supervisor)
        assert servers.any_alive()

        supervisor.send(signal.SIGKILL)  # to it alone: its servers have sessions of their own

        await eventually(lambda: not servers.any_alive())
    finally:
        supervisor.kill_if_running()


async def test_ctrl_c_on_a_supervisor_stops_its_servers_and_removes_their_files(tmp_path: Path) -> None:
    supervisor = python(tmp_path, SUPERVISOR)
    supervisor.start()
    try:
        servers = await servers_of(supervisor)

        supervisor.send(signal.SIGINT)
        await supervisor.wait()

        assert not servers.any_alive()
        assert not any(Path(home).exists() for home in servers.homes)
    finally:
        supervisor.kill_if_running()


async def test_the_files_of_a_killed_owner_are_removed_by_the_next_one(tmp_path: Path) -> None:
    supervisor = python(tmp_path, SUPERVISOR)
    supervisor.start()
    try:
        servers = await servers_of(supervisor)
        supervisor.send(signal.SIGKILL)
        await supervisor.wait()
        await eventually(lambda: not servers.any_alive())

        def gone() -> bool:
            ScratchDirectory("next").remove()
            return not any(Path(home).exists() for home in servers.homes)

        # Somebody else on this machine may be removing them at the same moment, and holds their locks meanwhile.
        await eventually(gone)
    finally:
        supervisor.kill_if_running()
