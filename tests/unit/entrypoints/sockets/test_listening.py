"""Ports that are taken: told at once, by every process, in words a person can act on."""

import socket
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from messaging.entrypoints.cli.failures import Exit, exit_code_of
from messaging.entrypoints.cli.processes.running import Service, serve
from messaging.entrypoints.http_server.bounds import HttpBounds
from messaging.entrypoints.http_server.listening import listening
from messaging.entrypoints.lab.dev.processes.loopback import free_port
from messaging.entrypoints.lab.dev.processes.ports import Ports, PortsInUse, require_free
from messaging.entrypoints.sandbox import SandboxConfig, serving
from messaging.entrypoints.sockets.listening import CannotListen, listen
from tests.unit.application.webhooks.doubles import Counts
from tests.unit.entrypoints.cli.test_cli import app


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of this machine on which somebody listens."""
    with listen("127.0.0.1", 0) as listener:
        yield listener.getsockname()[1]


async def nothing(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None: ...


def test_a_taken_port_is_named_with_the_reason(taken: int) -> None:
    with pytest.raises(CannotListen, match=f"127.0.0.1:{taken}: another process listens there"):
        listen("127.0.0.1", taken)


def test_an_address_that_is_not_ours_is_named_with_the_reason() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1:8000: this machine has no such address"):
        listen("192.0.2.1", 8000)


def test_a_port_is_free_again_as_soon_as_its_server_has_ended() -> None:
    with listen("127.0.0.1", 0) as first, socket.create_connection(first.getsockname()) as caller:
        port = first.getsockname()[1]
        first.accept()[0].close()
        caller.recv(1)

    with listen("127.0.0.1", port) as second:
        assert second.getsockname()[1] == port


async def listen_as(process: str, port: int, state: Path) -> None:
    match process:
        case "worker":
            async with listening(nothing, host="127.0.0.1", port=port, telemetry=Counts()):
                pass
        case "sandbox":
            async with serving(SandboxConfig(state_dir=state), "127.0.0.1", port):
                pass
        case _:
            service = Service(bounds=HttpBounds(), telemetry=Counts(), grace=1)
            await serve(nothing, service, host="127.0.0.1", port=port)


@pytest.mark.parametrize("process", ["api and webhooks", "worker", "sandbox"])
async def test_every_process_says_that_its_port_is_taken(
    process: str, taken: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CannotListen) as caught:
        await listen_as(process, taken, tmp_path)

    assert exit_code_of(ExceptionGroup("tasks of the process", [caught.value])) == Exit.DEPENDENCY_DOWN
    told = capsys.readouterr().err
    assert "another process listens there" in told
    assert "next: " in told
    assert "bug" not in told


def test_all_ports_that_are_taken_are_named_together(taken: int) -> None:
    with listen("127.0.0.1", 0) as other:
        second, free = other.getsockname()[1], free_port()
        with pytest.raises(PortsInUse, match=rf"{taken} \(api\), {second} \(redis\)"):
            require_free(Ports(api=taken, webhooks=free, sandbox=free, worker=free, redis=second))


def test_dev_refuses_taken_ports_before_it_starts_anything(taken: int) -> None:
    failed = app("dev", "--port-base", str(taken))

    assert failed.returncode == Exit.DEPENDENCY_DOWN
    assert f"{taken} (api)" in failed.stderr
    assert "--port-base" in failed.stderr
    assert "ended" not in failed.stderr
    assert "Traceback" not in failed.stderr


def test_the_sandbox_command_refuses_a_taken_port(taken: int, tmp_path: Path) -> None:
    failed = app("sandbox", "--port", str(taken), "--state-dir", str(tmp_path))

    assert failed.returncode == Exit.DEPENDENCY_DOWN
    assert "another process listens there" in failed.stderr
    assert "bug" not in failed.stderr
