"""The load generator, a process of its own: keep-alive connections, one request at a time on each.

It speaks just enough HTTP/1.1 to cost little next to what it measures. The job comes as JSON on stdin, the result goes
as JSON to stdout. Templates hold `{n}`, a number that is never used twice.
"""

import asyncio
import hashlib
import hmac
import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import msgspec
import uvloop
from msgspec import Struct

_NUMBER: Final = "{n}"


class Job(Struct, frozen=True, kw_only=True):
    """`bodies` are posted in turn, each once if `once`, else over and over for `seconds`; connections share the `urls`.

    `rate` paces the whole job (requests per second); None means as fast as answers come. A request that had to wait for
    a free connection counts as begun when it was due: a slow system shall not slow down its own examiner. `app_secret`
    signs each body as Meta does.
    """

    urls: tuple[str, ...]
    bodies: tuple[str, ...]
    concurrency: int
    seconds: float
    headers: dict[str, str] = {}
    first_number: int = 0
    once: bool = False
    rate: float | None = None
    app_secret: str | None = None


class Result(Struct, frozen=True, kw_only=True):
    """`others` counts answers by status other than 2xx. Latencies are of 2xx answers, in milliseconds.

    `cpu_seconds` is what generating the load cost: it shares the machine with what it measures.
    """

    answered: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_seconds: float = 0.0
    others: dict[str, int] = {}

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds if self.seconds else 0.0


class Generator:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._numbers = itertools.count(job.first_number)
        self._bodies: Iterator[str] = iter(job.bodies) if job.once else itertools.cycle(job.bodies)
        self._latencies: list[float] = []
        self._others: dict[str, int] = {}

    async def run(self) -> Result:
        began, cpu = time.perf_counter(), time.process_time()
        self._began, self._end = began, began + self._job.seconds
        async with asyncio.TaskGroup() as group:
            for index in range(self._job.concurrency):
                group.create_task(self._connection(self._job.urls[index % len(self._job.urls)]))
        elapsed = time.perf_counter() - began
        p50, p99 = _percentiles(self._latencies)
        return Result(
            answered=len(self._latencies),
            seconds=elapsed,
            p50_ms=p50,
            p99_ms=p99,
            cpu_seconds=time.process_time() - cpu,
            others=self._others,
        )

    async def _connection(self, url: str) -> None:
        parts, head = urlsplit(url), _head(url, self._job.headers)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        try:
            while time.perf_counter() < self._end and (body := next(self._bodies, None)) is not None:
                number = next(self._numbers)
                index = number - self._job.first_number
                if self._job.rate is not None and index >= self._job.rate * self._job.seconds:
                    break
                began = await self._pace(index)
                writer.write(self._request(head, body, number))
                status = await _read_answer(reader)
                if status.startswith("2"):
                    self._latencies.append(time.perf_counter() - began)
                else:
                    self._others[status] = self._others.get(status, 0) + 1
        finally:
            writer.close()

    async def _pace(self, index: int) -> float:
        """Waits until the request is due; returns the instant from which its latency counts."""
        now = time.perf_counter()
        if self._job.rate is None:
            return now
        due = self._began + index / self._job.rate
        if due <= now:
            return due
        await asyncio.sleep(due - now)
        return time.perf_counter()

    def _request(self, head: str, body: str, number: int) -> bytes:
        content = body.replace(_NUMBER, f"{number:07d}").encode()
        head = head.replace(_NUMBER, str(number))
        if self._job.app_secret is not None:
            digest = hmac.new(self._job.app_secret.encode(), content, hashlib.sha256).hexdigest()
            head += f"\r\nx-hub-signature-256: sha256={digest}"
        return f"{head}\r\ncontent-length: {len(content)}\r\n\r\n".encode() + content


def _head(url: str, headers: dict[str, str]) -> str:
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"host: {parts.netloc}", "content-type: application/json"]
    return "\r\n".join(lines + [f"{name}: {value}" for name, value in headers.items()])


async def _read_answer(reader: asyncio.StreamReader) -> str:
    """Reads an answer and returns its status; the body is dropped."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
    return head[9:12].decode()


def _percentiles(seconds: list[float]) -> tuple[float, float]:
    if len(seconds) < 2:
        return (0.0, 0.0)
    cuts = statistics.quantiles(seconds, n=100)
    return round(cuts[49] * 1000, 2), round(cuts[98] * 1000, 2)


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(Generator(job).run())
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
