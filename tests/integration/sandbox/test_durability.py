"""Does the sandbox remember everything it answered for, however it died?"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from messaging.entrypoints.sandbox import SandboxConfig, Settings, create_app, serving
from messaging.entrypoints.sandbox.core.app import StateInUse
from messaging.entrypoints.sandbox.core.storage.append_log import AppendLog, LogBroken
from tests.integration.sandbox.business import Business, a_template_message
from tests.integration.sandbox.receiver import Receiver


class Process:
    """A sandbox in a process of its own."""

    def __init__(self, child: asyncio.subprocess.Process, url: str) -> None:
        self.child = child
        self.url = url

    async def kill(self) -> None:
        self.child.send_signal(signal.SIGKILL)
        await self.child.wait()


@contextlib.asynccontextmanager
async def sandbox_process(state_dir: Path) -> AsyncIterator[Process]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "messaging.entrypoints.sandbox", "--port", "0", "--state-dir", str(state_dir),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    line = await child.stdout.readline()
    try:
        yield Process(child, httpx.Response(200, content=line).json()["url"])
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def test_kill_9_loses_no_answered_send_and_no_webhook(tmp_path: Path, receiver: Receiver) -> None:
    inbox = receiver.inbox("killed")
    answered: list[str] = []
    slow_webhooks = {"webhook_delay_min_ms": 500, "webhook_delay_max_ms": 500, "review_delay_ms": 0}

    async with sandbox_process(tmp_path) as process, httpx.AsyncClient(base_url=process.url) as http:
        business = Business(http, 900_001, inbox)
        await business.join()
        await business.control("settings", slow_webhooks | {"throughput_mps": None})
        await business.approved_template()
        await business.user_writes(**{"from": "+14155557999"})
        await inbox.until(lambda: bool(inbox.messages()))

        async def keep_sending(worker: int) -> None:
            for n in range(1_000):
                to = f"+1415{worker:03d}{n:04d}"
                answer = await business.post_message(a_template_message("A", "B", to=to))
                answered.append(answer.json()["messages"][0]["id"])
                if len(answered) == 60:
                    await process.kill()

        with pytest.raises(httpx.TransportError):
            await asyncio.gather(*(keep_sending(worker) for worker in range(4)))

    async with sandbox_process(tmp_path) as process, httpx.AsyncClient(base_url=process.url) as http:
        reborn = Business(http, 900_001, inbox)
        entries = await reborn.ledger()
        ids = [entry["message_id"] for entry in entries]
        assert set(answered) <= set(ids)
        assert len(set(ids)) == len(ids)
        assert [entry["n"] for entry in entries] == list(range(len(entries)))
        for message_id in ids:
            statuses = await inbox.statuses_of(message_id, 3)
            assert {status["status"] for status in statuses} == {"sent", "delivered", "read"}
        settings = (await http.get("/_control/settings")).json()
        assert settings["webhook_delay_min_ms"] == 500
        # Accounts, templates, windows and numbering go on where they stopped.
        assert (await reborn.send("+14155557999")).status_code == 200
        assert (await reborn.post_message(a_template_message("A", "B"))).status_code == 200
        assert [entry["n"] for entry in await reborn.ledger()] == list(range(len(entries) + 2))


async def test_sigterm_ends_the_process_cleanly(tmp_path: Path) -> None:
    async with sandbox_process(tmp_path) as process:
        process.child.terminate()

        assert await process.child.wait() == 0


def name_as_formerly(state_dir: Path) -> None:
    """Makes a state directory what the version before would have left."""
    (state_dir / "webhooks.jsonl").rename(state_dir / "callbacks.jsonl")
    state = state_dir / "state.jsonl"
    state.write_text(state.read_text().replace('"webhook_', '"callback_'))


@pytest.mark.parametrize("by_the_version_before", [False, True])
async def test_acknowledged_webhooks_are_not_sent_again_after_a_restart(
    tmp_path: Path, receiver: Receiver, by_the_version_before: bool
) -> None:
    inbox = receiver.inbox(f"restarted-{by_the_version_before}")
    config = SandboxConfig(state_dir=tmp_path, settings=Settings(webhook_delay_min_ms=1, webhook_delay_max_ms=2))
    async with serving(config) as url, httpx.AsyncClient(base_url=url) as http:
        business = Business(http, 900_002, inbox)
        await business.join()
        await business.control("settings", {"webhook_late_ms": 7})
        await business.user_writes(**{"from": "+14155557000"})
        message_id = await business.send_id()
        await inbox.statuses_of(message_id, 3)
        while (await http.get("/_webhooks")).json()["pending"]:
            pass
    seen = len(inbox.webhooks)
    if by_the_version_before:
        name_as_formerly(tmp_path)

    async with serving(config) as url, httpx.AsyncClient(base_url=url) as http:
        log = (await http.get("/_webhooks")).json()
        settings = (await http.get("/_control/settings")).json()
        accounts = (await http.get("/_control/accounts")).json()["data"]

    assert log["pending"] == 0
    assert settings["webhook_late_ms"] == 7
    assert [account["webhook_url"] for account in accounts] == [inbox.url]
    assert log["totals"][inbox.url]["acked"] == seen
    assert len(inbox.webhooks) == seen


async def test_an_unreachable_receiver_gets_everything_later(tmp_path: Path, receiver: Receiver) -> None:
    inbox = receiver.inbox("late")
    config = SandboxConfig(state_dir=tmp_path, settings=Settings(webhook_delay_min_ms=1, webhook_delay_max_ms=2))
    async with serving(config) as url, httpx.AsyncClient(base_url=url) as http:
        business = Business(http, 900_003, inbox)
        await business.join(webhook_url="http://127.0.0.1:1/nobody")
        await business.user_writes(**{"from": "+14155557000"})
        message_id = await business.send_id()
        while not (await http.get("/_webhooks")).json()["data"]:
            pass

    async with serving(config) as url, httpx.AsyncClient(base_url=url) as http:
        await Business(http, 900_003, inbox).join()
        # What was already on its way keeps its URL; what is resumed at the next start gets the new one.
    async with serving(config) as url, httpx.AsyncClient(base_url=url):
        await inbox.statuses_of(message_id, 3)
        await inbox.until(lambda: bool(inbox.messages()))


async def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"n":0}\n{"n":1}\n{"n":')

    log = AppendLog(path, fsync=True)
    _, durable = log.append(b'{"n":2}')
    await asyncio.shield(durable)

    assert list(log.lines()) == [b'{"n":0}', b'{"n":1}', b'{"n":2}']
    await log.close()


async def test_a_log_that_cannot_write_stays_broken() -> None:
    log = AppendLog(Path("/dev/full"), fsync=True)
    _, durable = log.append(b"{}")

    with pytest.raises(LogBroken):
        await asyncio.shield(durable)
    with pytest.raises(LogBroken):
        log.append(b"{}")
    await log.close()


async def test_without_fsync_a_line_is_in_the_file_at_once(tmp_path: Path) -> None:
    log = AppendLog(tmp_path / "log.jsonl", fsync=False)
    offsets = []

    for line in (b'{"n":0}', b'{"n":1}'):
        offset, durable = log.append(line)
        await asyncio.shield(durable)
        offsets.append(offset)

    assert offsets == [0, 8]
    assert list(log.lines()) == [b'{"n":0}', b'{"n":1}']
    await log.close()


async def test_without_fsync_a_log_that_cannot_write_stays_broken_too() -> None:
    log = AppendLog(Path("/dev/full"), fsync=False)

    for _ in range(2):
        with pytest.raises(LogBroken):
            log.append(b"{}")
    await log.close()


async def test_any_asgi_server_can_run_the_app(tmp_path: Path) -> None:
    incoming: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    outgoing: list[str] = []
    app = create_app(SandboxConfig(state_dir=tmp_path))

    async def send(message: MutableMapping[str, Any]) -> None:
        outgoing.append(message["type"])

    incoming.put_nowait({"type": "lifespan.startup"})
    incoming.put_nowait({"type": "lifespan.shutdown"})
    await app({"type": "lifespan"}, incoming.get, send)

    assert outgoing == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    async with serving(SandboxConfig(state_dir=tmp_path)) as url:
        assert url


async def test_a_state_directory_belongs_to_one_process(tmp_path: Path) -> None:
    async with serving(SandboxConfig(state_dir=tmp_path)):
        with pytest.raises(StateInUse):
            create_app(SandboxConfig(state_dir=tmp_path))


async def test_the_ledger_is_read_page_by_page(tmp_path: Path, receiver: Receiver) -> None:
    async with serving(SandboxConfig(state_dir=tmp_path)) as url, httpx.AsyncClient(base_url=url) as http:
        business = Business(http, 900_004, receiver.inbox("paged"))
        await business.join()
        await business.user_writes(**{"from": "+14155557000"})
        ids = [await business.send_id() for _ in range(3)]

        first = (await http.get("/_ledger?limit=2")).json()
        second = (await http.get("/_ledger", params={"after": first["next"]})).json()
        later = await business.send_id()
        third = (await http.get("/_ledger", params={"after": second["end"]})).json()
        wrong = await http.get("/_ledger?after=3")

    assert [entry["message_id"] for entry in first["data"] + second["data"]] == ids
    assert second["next"] is None
    assert [entry["message_id"] for entry in third["data"]] == [later]
    assert wrong.status_code == 422


async def test_a_control_token_guards_everything_of_our_own(tmp_path: Path) -> None:
    config = SandboxConfig(state_dir=tmp_path, control_token="letmein")
    async with serving(config) as url, httpx.AsyncClient(base_url=url) as http:
        without = await http.get("/_ledger")
        with_it = await http.get("/_ledger", headers={"authorization": "Bearer letmein"})
        health = await http.get("/healthz")

    assert (without.status_code, with_it.status_code, health.status_code) == (401, 200, 200)
