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

from messaging.entrypoints.lab.bench.measurements.fairness import jain_index
from messaging.entrypoints.lab.bench.measurements.round_trips.loop import thirds
from messaging.entrypoints.lab.bench.report import (
    Findings,
    Floor,
    Machine,
    Measured,
    MeasurementFailed,
    Report,
    measured,
    medians,
)
from messaging.entrypoints.lab.bench.rig import bodies
from messaging.entrypoints.lab.bench.rig.cpu import difference, seconds_by_process
from messaging.entrypoints.lab.bench.rig.generator import Generator, Job
from messaging.entrypoints.lab.dev.processes.memory import resident_mib

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
    job = Job(urls=(server.url,), bodies=('{"n": "{n}"}',) * 50, once=True, concurrency=4, seconds=10, first_number=7)

    result = await Generator(job).run()

    numbers = [int(json.loads(body)["n"]) for _, body in server.requests]
    assert sorted(numbers) == list(range(7, 57))
    assert (result.answered, result.others) == (45, {"503": 5})
    assert result.p99_ms >= result.p50_ms > 0


async def test_the_generator_signs_as_meta_does(server: Counting) -> None:
    job = Job(urls=(server.url,), bodies=("{}",), once=True, concurrency=1, seconds=10, app_secret="s3cret")

    await Generator(job).run()

    ((head, body),) = server.requests
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert f"x-hub-signature-256: sha256={expected}\r\n".encode() in head


async def test_a_paced_job_keeps_its_rate(server: Counting) -> None:
    job = Job(urls=(server.url,), bodies=("{}",) * 25, once=True, concurrency=64, seconds=60, rate=50)

    result = await Generator(job).run()

    assert len(server.requests) == 25
    # A loaded machine takes longer; none is done earlier.
    assert result.seconds >= 24 / 50


def test_every_message_of_a_batch_goes_to_somebody_else() -> None:
    messages = json.loads(bodies.batch().replace("{n}", "0000001"))["messages"]

    assert len({message["to"] for message in messages}) == bodies.BATCH


def test_receipts_come_in_groups_and_in_every_status() -> None:
    entry = {"message_id": "wamid.x", "to": "+1", "sender": "99", "reference": "v1.a.1.b", "received_at": 1.0}

    posts = [json.loads(post) for post in bodies.receipts("42", [entry] * 5, per_webhook=2)]

    statuses = [post["entry"][0]["changes"][0]["value"]["statuses"] for post in posts]
    assert [len(part) for part in statuses] == [2, 2, 1] * 3
    assert [part[0]["status"] for part in statuses] == ["sent"] * 3 + ["delivered"] * 3 + ["read"] * 3


def an_accept(per_second: float = 5_000.0, count: int = 40_000) -> Measured:
    return measured(
        per_second=per_second,
        latencies=(3.1, 27.0),
        latency="request to 202",
        cpu={"api": 8.0, "postgres": 4.0, "generator": 2.0},
        count=count,
        floor=Floor(what="no-op endpoint, same body", per_second=10_000),
    )


def a_report() -> Report:
    findings = Findings(measured={"accept": an_accept()}, figures={"accept": {"commits_at_32": 3_000.0}})
    return Report(machine=Machine(cpus=2, python="3.11.7", filesystem="ext4"), runs=1, findings=findings)


def test_the_time_of_sandbox_and_generator_is_shown_but_not_ours() -> None:
    accept = an_accept()

    assert accept.cpu_ms_by_process == {"api": 0.2, "postgres": 0.1, "generator": 0.05}
    assert accept.cpu_ms_per_message == 0.3
    assert accept.ratio == 0.5


def test_nothing_measured_is_a_failure_and_not_a_zero() -> None:
    with pytest.raises(MeasurementFailed):
        an_accept(count=0)


def test_the_report_is_one_object_with_each_measurement_under_its_name() -> None:
    built = a_report().as_builtins()

    assert built["accept"]["commits_at_32"] == 3_000
    assert {"per_second", "p50_ms", "p99_ms", "cpu_ms_per_message", "floor", "ratio"} <= set(built["accept"])
    assert built["machine"]["cpus"] == 2


def test_the_table_says_what_the_floor_is() -> None:
    table = a_report().as_table()

    assert "no-op endpoint" in table
    assert "5,000" in table


def test_the_table_says_which_process_the_time_went_to() -> None:
    assert "accept: api 0.200  postgres 0.100  generator 0.050" in a_report().as_table()


def test_several_runs_are_told_as_medians_figure_by_figure() -> None:
    runs = [
        Findings(measured={"accept": an_accept(rate)}, figures={"limits": {"throttled": seen}})
        for rate, seen in ((5_000.0, 0), (9_000.0, 4), (6_000.0, 1))
    ]

    found = medians(runs)

    assert found.measured["accept"].per_second == 6_000
    assert found.measured["accept"].ratio == 0.6
    assert found.figures == {"limits": {"throttled": 1}}


def test_the_jain_index_falls_from_one_with_inequality() -> None:
    assert jain_index([70, 70, 70, 70]) == 1
    assert jain_index([280, 0, 0, 0]) == 0.25


def test_a_backlog_is_told_by_the_medians_of_its_thirds() -> None:
    assert thirds([1, 2, 3, 10, 11, 12, 40, 50, 60]) == (2, 11, 50)


async def test_a_request_that_waited_for_a_connection_counts_from_when_it_was_due() -> None:
    async def serve_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(5):
            await reader.readuntil(b"{}")
            await asyncio.sleep(0.1)
            writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    listening = await asyncio.start_server(serve_slowly, "127.0.0.1", 0)
    async with listening:
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        job = Job(urls=(url,), bodies=("{}",) * 5, once=True, concurrency=1, seconds=10, rate=100)
        result = await Generator(job).run()

    assert result.p99_ms >= 400


def test_the_memory_of_a_process_is_found() -> None:
    mib = resident_mib({"it": os.getpid(), "gone": 2**22 + 1})

    assert set(mib) == {"it"}
    assert mib["it"] > 5
