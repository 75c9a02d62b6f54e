"""Every port is small, and has a fake and one contract suite that calls all its methods on the fake and the adapter.

A port is a protocol with methods in `application/ports`. Port, fake and suite have the same file name.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import messaging

ROOT: Final = Path(__file__).resolve().parents[2]
PORTS: Final = Path(messaging.__file__).parent / "application/ports"
FAKES: Final = ROOT / "tests/fakes"
SUITES: Final = ROOT / "tests/contracts"

MOST_METHODS: Final = 6
LONGEST_FAKE: Final = 60

# Ports without a fake and a suite of their own, by name, and why.
NO_SUITE: Final = {
    "TenantTransaction": "its commit is called by the suite of every role",
    "SystemTransaction": "its commit is called by the suite of every role",
    "TenantCipher": "unit tests use the real one: it computes and stores nothing",
    "KeyRing": "unit tests use the real one: it computes and stores nothing",
    "WakeupConsumer": "no use case consumes: the worker's process does, and is tested with Redis",
    "Logins": "no use case asks: readiness checks do, and are tested with Postgres",
    "Health": "no use case asks: readiness checks do, and are tested with Postgres",
    "ProcessState": "no use case asks: the metrics endpoint does, and is tested with Postgres",
    "Upkeep": "no use case asks: the worker's housekeeping does, and it is the tables' own",
    "TenantTotals": "no use case asks: the worker's exporter does, and is tested with Postgres",
    "Survey": "no use case asks: the doctor's checks do, and are tested with Postgres",
}
# Fakes that are longer, and why.
LONGER_FAKES: Final = {
    "InMemoryConfiguration": "eight small ports over the same dicts",
    "StoredMessage": "the message itself, with all that is written of it",
    "InMemoryLanes": "the order within keys, which is what the port is for",
    "InMemoryTransaction": "the locks and the visibility that all fakes of messages share",
}


class Port(NamedTuple):
    name: str
    file: str
    methods: frozenset[str]
    properties: frozenset[str]


def ports() -> list[Port]:
    found = [_port(node, path.stem) for path in sorted(PORTS.glob("*.py")) for node in _protocols(path)]
    assert found, "no ports were found"
    return [port for port in found if port.methods]


def _protocols(path: Path) -> Iterator[ast.ClassDef]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Protocol" for base in node.bases):
            yield node


def _port(node: ast.ClassDef, file: str) -> Port:
    functions = [it for it in node.body if isinstance(it, ast.FunctionDef | ast.AsyncFunctionDef)]
    properties = {it.name for it in functions if any(ast.unparse(by) == "property" for by in it.decorator_list)}
    return Port(node.name, file, frozenset({it.name for it in functions} - properties), frozenset(properties))


def _called(path: Path) -> set[str]:
    """The names of all attributes that are read anywhere in a file."""
    return {node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)}


def test_no_port_has_more_methods_than_one_role_needs() -> None:
    large = {it.name: len(it.methods | it.properties) for it in ports()}

    assert {name: size for name, size in large.items() if size > MOST_METHODS} == {}


def test_every_port_has_a_fake_and_one_suite_that_calls_all_its_methods() -> None:
    shared = _called(SUITES / "stores.py") | _called(ROOT / "tests/seeding.py")
    missing: dict[str, str] = {}
    for port in ports():
        suite = SUITES / f"test_{port.file}.py"
        if port.name in NO_SUITE:
            continue
        if not (FAKES / f"{port.file}.py").exists():
            missing[port.name] = f"tests/fakes/{port.file}.py"
        elif not suite.exists():
            missing[port.name] = f"tests/contracts/{suite.name}"
        elif uncalled := {it for it in port.methods if not it.startswith("__")} - _called(suite) - shared:
            missing[port.name] = f"calls of {', '.join(sorted(uncalled))} in {suite.name}"

    assert missing == {}


def test_the_ports_without_a_suite_are_ports_without_one() -> None:
    names = {port.name for port in ports()}

    assert NO_SUITE.keys() - names == set(), "these are no ports any more"


def test_a_fake_is_short() -> None:
    long: dict[str, int] = {}
    for path in sorted(FAKES.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and node.name not in LONGER_FAKES:
                assert node.end_lineno is not None
                if (length := node.end_lineno - node.lineno + 1) > LONGEST_FAKE:
                    long[f"{path.name}::{node.name}"] = length

    assert long == {}, "a fake is a dict and a list; if it needs more, narrow the port"
