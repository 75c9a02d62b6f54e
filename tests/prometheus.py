"""What tests of rules and dashboards share: the metrics that docs/metrics.md declares, and the vendor's checker."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml  # type: ignore[import-untyped]

ROOT: Final = Path(__file__).resolve().parents[1]
RULES: Final = ROOT / "deploy/prometheus/rules.yml"
INSTALL: Final = "apt-get install -y --no-install-recommends prometheus"

# What Prometheus itself adds: the labels of a target, and whether it answered.
_OF_TARGETS: Final = frozenset({"job", "instance"})
_OF_PROMETHEUS: Final = {"up": frozenset[str]()}
_SUFFIXES: Final = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
_ROW: Final = re.compile(r"^\| `(messaging_\w+)` \| (\w+) \| ([^|]*)\|", re.MULTILINE)
_METRIC: Final = re.compile(r"\b((?:messaging[_:][\w:]+|up)\b)(?:\{([^}]*)\})?")
_GROUPING: Final = re.compile(r"\b(?:by|on|without|ignoring)\s*\(([^)]*)\)")
_LEGEND: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def declared() -> Mapping[str, frozenset[str]]:
    """The labels of every series of the product, by its name as Prometheus has it."""
    found: dict[str, frozenset[str]] = dict(_OF_PROMETHEUS)
    for name, kind, labels in _ROW.findall((ROOT / "docs/metrics.md").read_text()):
        own = {label.strip() for label in labels.split(",") if label.strip()}
        for suffix in _SUFFIXES[kind]:
            found[name + suffix] = frozenset(own | ({"le"} if suffix == "_bucket" else set()))
    return {**found, **recorded()}


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def recorded() -> Mapping[str, frozenset[str]]:
    """The series that our own rules record; all of them have the objective's name as their label."""
    return {rule["record"]: frozenset({"slo"}) for rule in rules() if "record" in rule}


def undeclared(expr: str, known: Mapping[str, frozenset[str]], *, legend: str = "") -> Iterator[str]:
    """What an expression names that no process tells: metrics, and labels that its metrics do not have."""
    labels: set[str] = set(_OF_TARGETS)
    named = _METRIC.findall(expr)
    if not named and not expr.startswith("vector("):
        yield "no metric at all"
    for name, matchers in named:
        if name not in known:
            yield f"metric {name}"
            continue
        labels |= known[name]
        matched = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", re.sub(r'"[^"]*"', '""', matchers)))
        yield from (f"label {label} of {name}" for label in sorted(matched - known[name] - _OF_TARGETS))
    grouped = {label.strip() for group in _GROUPING.findall(expr) for label in group.split(",") if label.strip()}
    yield from (f"label {label}" for label in sorted((grouped | set(_LEGEND.findall(legend))) - labels))


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the checker; where it is not installed the test is skipped, and in CI it fails."""
    program = shutil.which("promtool")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail(f"promtool is not installed: {INSTALL}")
        pytest.skip(f"promtool is not installed: {INSTALL}")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
