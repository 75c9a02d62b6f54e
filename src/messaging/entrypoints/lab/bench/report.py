"""The results of a measurement, as an object for programs and a table for people."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

_NOT_OURS: Final = ("sandbox", "generator")
_HEAD: Final = ("", "per second", "p50 ms", "p99 ms", "CPU ms each", "floor/s", "ratio", "floor; latency")


class MeasurementFailed(Exception):
    """A measurement that must not count: something answered with an error, or less happened than was promised."""


class Floor(Struct, frozen=True, kw_only=True):
    """The least that this machine needs for the same thing, measured in the same minutes; `what` says how."""

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


def measured(
    *,
    per_second: float,
    latencies: tuple[float, float],
    latency: str,
    cpu: Mapping[str, float],
    count: int,
    floor: Floor,
) -> Measured:
    """The result of a measurement. `cpu` are seconds by process for `count` messages. Raises MeasurementFailed if
    `count` is 0.
    """
    if not count:
        raise MeasurementFailed("nothing happened in the measured time")
    each = {name: round(seconds * 1000 / count, 3) for name, seconds in cpu.items()}
    return Measured(
        per_second=round(per_second, 1),
        p50_ms=latencies[0],
        p99_ms=latencies[1],
        latency=latency,
        cpu_ms_per_message=round(sum(spent for name, spent in each.items() if name not in _NOT_OURS), 3),
        cpu_ms_by_process=each,
        messages=count,
        floor=Floor(what=floor.what, per_second=round(floor.per_second, 1)),
        ratio=round(per_second / floor.per_second, 3),
    )


class Findings(Struct, frozen=True, kw_only=True):
    """The findings of one measurement: throughputs by name, and further figures by the name they belong to."""

    measured: dict[str, Measured] = {}
    figures: dict[str, dict[str, float]] = {}


class Machine(Struct, frozen=True, kw_only=True):
    """The machine of the measurement; `filesystem` is that of the database's files."""

    cpus: int
    python: str
    filesystem: str


class Report(Struct, frozen=True, kw_only=True):
    """All findings. `runs` is the number of runs that the figures are the medians of."""

    machine: Machine
    runs: int
    findings: Findings

    def as_builtins(self) -> dict[str, Any]:
        """One object: each measurement under its own name, with its further figures."""
        throughputs: dict[str, Any] = msgspec.to_builtins(self.findings.measured)
        figures = self.findings.figures
        names = [*throughputs, *(name for name in figures if name not in throughputs)]
        found = {name: throughputs.get(name, {}) | figures.get(name, {}) for name in names}
        return found | {"machine": msgspec.to_builtins(self.machine), "runs": self.runs}

    def as_table(self) -> str:
        machine = self.machine
        parts = (
            _throughputs(self.findings.measured),
            _splits(self.findings.measured),
            *(_figures(name, figures) for name, figures in self.findings.figures.items()),
            f"{machine.cpus} CPUs, Python {machine.python}, data on {machine.filesystem}; medians of {self.runs}. "
            "Load generator and sandbox share these CPUs.",
        )
        return "\n\n".join(part for part in parts if part)


def together(findings: Sequence[Findings]) -> Findings:
    """Joins the reports of different measurements."""
    return Findings(
        measured={name: it for found in findings for name, it in found.measured.items()},
        figures={name: it for found in findings for name, it in found.figures.items()},
    )


def medians(runs: Sequence[Findings]) -> Findings:
    """The medians of several runs of one measurement, figure by figure."""
    built = _median([msgspec.to_builtins(run) for run in runs])
    return msgspec.convert(built, Findings, strict=False)


def _median(values: Sequence[Any]) -> Any:
    first = values[0]
    if isinstance(first, dict):
        return {name: _median([value[name] for value in values if name in value]) for name in first}
    if isinstance(first, int):
        return int(statistics.median(values))
    return statistics.median(values) if isinstance(first, float) else first


def _throughputs(found: Mapping[str, Measured]) -> str:
    if not found:
        return ""
    lines = [_HEAD, *(_line(name, it) for name, it in found.items())]
    widths = [max(len(line[index]) for line in lines) for index in range(len(_HEAD) - 1)]
    return "\n".join(_aligned(line, widths) for line in lines)


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    """Aligns cells: figures to the right, the last cell as long as it is."""
    return "  ".join([*(f"{cell:>{width}}" for cell, width in zip(line, widths, strict=False)), line[-1]])


def _line(name: str, it: Measured) -> tuple[str, ...]:
    return (
        name,
        f"{it.per_second:,.0f}",
        f"{it.p50_ms:,.1f}",
        f"{it.p99_ms:,.1f}",
        f"{it.cpu_ms_per_message:.3f}",
        f"{it.floor.per_second:,.0f}",
        f"{it.ratio:.2f}",
        f"{it.floor.what}; {it.latency}",
    )


def _splits(found: Mapping[str, Measured]) -> str:
    if not found:
        return ""
    lines = [f"{name}: {_pairs(it.cpu_ms_by_process)}" for name, it in found.items()]
    return "\n".join(["CPU ms each by process", *lines])


def _figures(name: str, figures: Mapping[str, float]) -> str:
    width = max((len(figure) for figure in figures), default=0)
    return "\n".join([name, *(f"  {figure:<{width}}  {value:,.10g}" for figure, value in figures.items())])


def _pairs(figures: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {figure:.3f}" for name, figure in figures.items())
