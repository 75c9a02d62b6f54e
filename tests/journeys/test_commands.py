"""The commands a person starts with, as that person starts them: real processes, from the first line to the last."""

import asyncio
import csv
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from messaging.entrypoints.lab.demo.orders import SHIPPED

ROOT = Path(__file__).resolve().parents[2]
APP = (sys.executable, "-P", "-m", "messaging.entrypoints.cli")
pytestmark = pytest.mark.slow


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory of temporary files for one command alone; whoever still mentions it belongs to that command."""
    path = Path(tempfile.mkdtemp(prefix="journey-", dir="/tmp"))
    path.chmod(0o755)  # PostgreSQL runs as another account when the tests run as root
    yield path
    shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def running(scratch: Path, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    with (scratch / "talk").open("wb") as talk:
        process = await asyncio.create_subprocess_exec(
            *APP,
            *arguments,
            env=environ | {"TMPDIR": str(scratch), "XDG_CONFIG_HOME": str(scratch)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=talk,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def left_running(scratch: Path) -> list[str]:
    """Processes whose command line or environment mentions the directory."""
    mark, found = os.fsencode(scratch), []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if mark in told:
            found.append((entry / "cmdline").read_text(errors="replace"))
    return found


async def first_line(process: asyncio.subprocess.Process, scratch: Path) -> Any:
    assert process.stdout is not None
    async with asyncio.timeout(180):
        line = await process.stdout.readline()
    assert line, (scratch / "talk").read_text()
    return json.loads(line)


async def read_in_the_end(told: dict[str, str]) -> str:
    """Send one message and wait until it is read; returns its id."""
    content = {
        "type": "template",
        "name": "order_delivered",
        "language": "en_US",
        "variables": {"first_name": "Ana", "order_number": "A-1"},
    }
    async with client_of(told) as client:
        body = {"to": "+14155550100", "channel": "whatsapp", "content": content}
        sent = await client.post("/v1/messages", json=body)
        assert sent.status_code == 202, sent.text
        id_ = str(sent.json()["id"])
        async with asyncio.timeout(120):
            while (await client.get(f"/v1/messages/{id_}")).json()["status"] != "read":
                await asyncio.sleep(0.1)
    return id_


async def first_hour_of_the_readme(scratch: Path) -> None:
    """Every command of its chapter about a first message, pasted as written into one shell at the top of a checkout."""
    chapter = (ROOT / "README.md").read_text().partition("## Send a first message")[2].partition("\n## ")[0]
    start, *commands = re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)
    assert start == "make dev\n"  # runs already
    checkout = scratch / "checkout"
    (checkout / ".venv/bin").mkdir(parents=True)
    (checkout / ".venv/bin/app").symlink_to(Path(sys.executable).with_name("app"))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("APP_")}
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", "\n".join(['curl() { command curl --fail-with-body "$@"; }', *commands])),
        cwd=checkout,
        env=environ | {"XDG_CONFIG_HOME": str(scratch)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, talk = (part.decode() for part in await shell.communicate())
    assert shell.returncode == 0, out + talk
    assert '"reference":"order-1042"' in out
    assert "order-1043" in out
    assert out.count("Example Shop") == 2, "the tenant was listed by the command and by the API"
    assert "using the platform of `app dev`" in talk


def client_of(told: dict[str, str]) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {told['api_key']}"}
    return httpx.AsyncClient(base_url=told["api"], headers=headers, trust_env=False, timeout=30)


def worker_pid(scratch: Path) -> int:
    talk = (scratch / "talk").read_text()
    return int(talk.rpartition("worker ")[2].split()[0].strip(","))


async def test_dev_starts_everything_survives_a_killed_worker_and_remembers(scratch: Path) -> None:
    state = scratch / "state"
    async with running(scratch, "dev", "--json", "--state-dir", str(state)) as dev:
        told = await first_line(dev, scratch)
        assert {"api", "webhooks", "sandbox", "tenant", "api_key", "admin_key"} <= set(told)
        first = await read_in_the_end(told)
        await first_hour_of_the_readme(scratch)
        os.kill(worker_pid(scratch), signal.SIGKILL)
        await read_in_the_end(told)
        dev.terminate()
        assert await dev.wait() == 0
    assert left_running(scratch) == []

    async with running(scratch, "dev", "--json", "--state-dir", str(state)) as again:
        told_again = await first_line(again, scratch)
        assert (told_again["tenant"], told_again["api_key"]) == (told["tenant"], told["api_key"])
        async with client_of(told_again) as client:
            assert (await client.get(f"/v1/messages/{first}")).json()["status"] == "read"
        await read_in_the_end(told_again)
        again.send_signal(signal.SIGINT)
        assert await again.wait() == 0
    assert left_running(scratch) == []


@pytest.fixture
def some_orders(scratch: Path) -> Path:
    """A hundred and fifty rows of the export, a few of each kind that must be refused among them."""
    path = scratch / "orders.csv"
    with SHIPPED.open(newline="", encoding="utf-8") as whole, path.open("w", newline="", encoding="utf-8") as part:
        rows = list(csv.DictReader(whole))
        writer = csv.DictWriter(part, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows[:150])
    return path


async def test_the_demo_accounts_for_every_message_although_its_worker_is_killed(
    scratch: Path, some_orders: Path
) -> None:
    async with running(scratch, "demo", "--json", "--rows", str(some_orders)) as demo:
        await told_of(scratch, "Following")
        os.kill(worker_pid(scratch), signal.SIGKILL)
        printed, _ = await demo.communicate()
        report = json.loads(printed)

    assert demo.returncode == 0, (scratch / "talk").read_text()
    assert report["accepted"] + report["refused"] == 150
    assert report["refused"] > 0
    assert sum(report["statuses"].values()) == report["accepted"]
    assert set(report["statuses"]) <= {"read", "delivered", "sent", "failed", "unconfirmed", "dead"}
    assert (report["verdict"]["lost"], report["verdict"]["twice"], report["verdict"]["unreported"]) == ([], [], [])
    assert {(it["channel"], it["language"]) for it in report["own"]} >= {
        (channel, language) for channel in ("sms", "email") for language in ("en", "de", "es")
    }
    assert "worker is back" in (scratch / "talk").read_text()
    assert left_running(scratch) == []


@pytest.mark.parametrize("moment", ["Starting", "Following"])
async def test_the_demo_leaves_nothing_running_when_it_is_interrupted(
    scratch: Path, some_orders: Path, moment: str
) -> None:
    async with running(scratch, "demo", "--json", "--rows", str(some_orders)) as demo:
        await told_of(scratch, moment)
        demo.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            assert await demo.wait() == 130

    assert left_running(scratch) == []


async def told_of(scratch: Path, word: str) -> None:
    give_up_at = time.monotonic() + 180
    while word not in (scratch / "talk").read_text():
        assert time.monotonic() < give_up_at, (scratch / "talk").read_text()
        await asyncio.sleep(0.05)


async def test_the_bench_prints_one_object_with_a_floor_and_the_memory_that_a_queue_takes(scratch: Path) -> None:
    options = ("--seconds", "1", "--n", "500", "--concurrency", "8", "--json")
    async with running(scratch, "bench", "accept", "memory", *options) as bench:
        printed, _ = await bench.communicate()

    assert bench.returncode == 0, (scratch / "talk").read_text()
    accept, memory = (json.loads(printed)[name] for name in ("accept", "memory"))
    assert accept["per_second"] > 0
    assert accept["cpu_ms_per_message"] > 0
    assert 0 < accept["ratio"] < 1
    assert accept["floor"]["per_second"] > accept["per_second"]
    assert memory["queued"] == 500
    assert memory["api_mib_end"] > 0
    assert memory["worker_mib_end"] > 0
    assert left_running(scratch) == []
