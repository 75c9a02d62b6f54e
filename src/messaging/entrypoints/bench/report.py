"""What was measured, as an object for programs and a table for people."""

from typing import Any

import msgspec
from msgspec import Struct


class Floor(Struct, frozen=True, kw_only=True):
    """The least this machine needs for the same thing, measured in the same minutes; `what` says how."""

    what: str
    per_second: float


class Measured(Struct, frozen=True, kw_only=True):
    """`cpu_ms_per_message` is of all our processes, Postgres and Redis; sandbox and generator are not in it.

    `cpu_ms_by_process` is the same per message for each of them, and for the sandbox and the generator too.
    `latency` says what p50 and p99 are the times of. `ratio` is `per_second` over the floor's.
    """

    per_second: float
    p50_ms: float
    p99_ms: float
    latency: str
    cpu_ms_per_message: float
    cpu_ms_by_process: dict[str, float]
    messages: int
    floor: Floor
    ratio: float


class Machine(Struct, frozen=True, kw_only=True):
    """Where the figures were taken; `filesystem` is that of the database's files."""

    cpus: int
    python: str
    filesystem: str


class Report(Struct, frozen=True, kw_only=True):
    machine: Machine
    commits_per_second: float
    measured: dict[str, Measured]

    def as_builtins(self) -> dict[str, Any]:
        """One object: each measurement under its own name."""
        built: dict[str, Any] = msgspec.to_builtins(self)
        measured: dict[str, Any] = built.pop("measured")
        return measured | built

    def as_table(self) -> str:
        head = (
            "",
            "per second",
            "p50 ms",
            "p99 ms",
            "CPU ms each",
            "floor/s",
            "ratio",
            "floor: what; latency: of what",
        )
        lines = [head, *(_line(name, measured) for name, measured in self.measured.items())]
        widths = [max(len(line[index]) for line in lines) for index in range(len(head))]
        rows = ["  ".join(f"{cell:>{width}}" for cell, width in zip(line[:-1], widths, strict=False)) for line in lines]
        table = [f"{row}  {line[-1]}" for row, line in zip(rows, lines, strict=True)]
        table += ["", "CPU ms each by process", *(_split(name, it) for name, it in self.measured.items())]
        machine = self.machine
        table.append(
            f"\n{machine.cpus} CPUs, Python {machine.python}, data on {machine.filesystem}; "
            f"{self.commits_per_second:,.0f} single-row commits per second over 8 connections. "
            "Load generator and sandbox share these CPUs."
        )
        return "\n".join(table)


def _line(name: str, measured: Measured) -> tuple[str, ...]:
    return (
        name,
        f"{measured.per_second:,.0f}",
        f"{measured.p50_ms:,.1f}",
        f"{measured.p99_ms:,.1f}",
        f"{measured.cpu_ms_per_message:.3f}",
        f"{measured.floor.per_second:,.0f}",
        f"{measured.ratio:.2f}",
        f"{measured.floor.what}; {measured.latency}",
    )


def _split(name: str, measured: Measured) -> str:
    parts = (f"{process} {spent:.3f}" for process, spent in measured.cpu_ms_by_process.items())
    return f"{name:>12}  " + "  ".join(parts)
