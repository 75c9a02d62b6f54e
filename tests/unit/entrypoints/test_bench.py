"""The measuring tools measure: processor time of a process and its family, and a generator that counts honestly."""

import asyncio
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from messaging.entrypoints.bench import bodies
from messaging.entrypoints.bench.cpu import difference, seconds_by_process
from messaging.entrypoints.bench.generator import Generator, Job
from messaging.entrypoints.bench.report import Floor, Machine, Measured, Report

BURN = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


def used_by(pid: int) -> float:
    return seconds_by_process({"it": pid})["it"]


def test_the_time_of_a_process_is_counted() -> None:
    before = used_by(os.getpid())

    end = time.process_time() + 0.2
    while time.process_time() < end:
        pass

    assert 0.15 <= used_by(os.getpid()) - before <= 1.0


def test_the_time_of_children_counts_after_they_have_ended() -> None:
    before = used_by(os.getpid())

    subprocess.run([sys.executable, "-c", BURN], check=True)

    assert used_by(os.getpid()) - before >= 0.25


def test_a_process_that_is_gone_counts_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()

    assert used_by(gone.pid) == 0


def test_processes_of_one_kind_are_one_entry() -> None:
    used = seconds_by_process({"worker": os.getpid(), "worker-2": os.getpid()})

    assert set(used) == {"worker"}
    assert used["worker"] > 0


def test_what_came_or_went_meanwhile_is_left_out_of_the_difference() -> None:
    assert difference({"api": 3.0, "worker": 1.0}, {"api": 1.0, "webhooks": 1.0}) == {"api": 2.0}


class Counting:
    """A tiny HTTP server that keeps what it was sent; every tenth answer is a 503."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes]] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append((head, await reader.readexactly(length)))
                status = b"503 Service Unavailable" if len(self.requests) % 10 == 0 else b"202 Accepted"
                writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 2\r\n\r\n{}")
        except asyncio.IncompleteReadError:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Counting]:
    counting = Counting()
    listening = await asyncio.start_server(counting.serve, "127.0.0.1", 0)
    async with listening:
        port = listening.sockets[0].getsockname()[1]
        counting.url = f"http://127.0.0.1:{port}/v1/messages"
        yield counting


async def test_the_generator_sends_each_number_once_and_counts_only_successes(server: Counting) -> None:
    job = Job(url=server.url, bodies=('{"n": "{n}"}',) * 50, once=True, concurrency=4, seconds=10, first_number=7)

    result = await Generator(job).run()

    numbers = [int(json.loads(body)["n"]) for _, body in server.requests]
    assert sorted(numbers) == list(range(7, 57))
    assert (result.answered, result.others) == (45, {"503": 5})
    assert result.p99_ms >= result.p50_ms > 0


async def test_the_generator_signs_as_meta_does(server: Counting) -> None:
    job = Job(url=server.url, bodies=("{}",), once=True, concurrency=1, seconds=10, app_secret="s3cret")

    await Generator(job).run()

    ((head, body),) = server.requests
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert f"x-hub-signature-256: sha256={expected}\r\n".encode() in head


async def test_a_paced_job_keeps_its_rate(server: Counting) -> None:
    job = Job(url=server.url, bodies=("{}",), concurrency=4, seconds=1, rate=50)

    result = await Generator(job).run()

    assert 40 <= result.answered + result.others["503"] <= 60


def test_every_message_of_a_batch_goes_to_somebody_else() -> None:
    messages = json.loads(bodies.batch().replace("{n}", "0000001"))["messages"]

    assert len({message["to"] for message in messages}) == bodies.BATCH


def test_receipts_come_one_per_post_and_in_every_status() -> None:
    entry = {"message_id": "wamid.x", "to": "+1", "sender": "99", "reference": "v1.a.1.b", "received_at": 1.0}

    posts = [json.loads(post) for post in bodies.receipts("42", [entry, entry])]

    statuses = [post["entry"][0]["changes"][0]["value"]["statuses"] for post in posts]
    assert [status["status"] for (status,) in statuses] == ["sent"] * 2 + ["delivered"] * 2 + ["read"] * 2


def a_report() -> Report:
    floor = Floor(what="no-op endpoint, same body", per_second=10_000)
    accept = Measured(
        per_second=5_000,
        p50_ms=3.1,
        p99_ms=27.0,
        latency="request to 202",
        cpu_ms_per_message=0.3,
        cpu_ms_by_process={"api": 0.2, "postgres": 0.1, "generator": 0.05},
        messages=40_000,
        floor=floor,
        ratio=0.5,
    )
    machine = Machine(cpus=2, python="3.11.7", filesystem="ext4")
    return Report(machine=machine, commits_per_second=3_000, measured={"accept": accept})


def test_the_report_is_one_object_with_each_measurement_under_its_name() -> None:
    built = a_report().as_builtins()

    assert built["accept"]["ratio"] == 0.5
    assert {"per_second", "p50_ms", "p99_ms", "cpu_ms_per_message", "floor"} <= set(built["accept"])
    assert built["commits_per_second"] == 3_000


def test_the_table_says_what_the_floor_is() -> None:
    table = a_report().as_table()

    assert "no-op endpoint" in table
    assert "5,000" in table


def test_the_table_says_which_process_the_time_went_to() -> None:
    assert "api 0.200  postgres 0.100  generator 0.050" in a_report().as_table()
