"""Files, functions, constructors and ports stay small enough to be read in a sitting."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import messaging

SOURCES = Path(messaging.__file__).parent
LINES_OF_A_FILE: Final = 400
LINES_OF_A_FUNCTION: Final = 50
ARGUMENTS_OF_A_CONSTRUCTOR: Final = 8
METHODS_OF_A_PORT: Final = 6

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def _sources() -> dict[str, str]:
    return {path.relative_to(SOURCES).as_posix(): path.read_text() for path in sorted(SOURCES.rglob("*.py"))}


@cache
def _definitions() -> list[tuple[str, Function | ast.ClassDef]]:
    """Functions and classes of the package, each with its file."""
    return [
        (name, node)
        for name, text in _sources().items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, Function | ast.ClassDef)
    ]


def _classes(under: str) -> Iterator[ast.ClassDef]:
    return (node for name, node in _definitions() if name.startswith(under) and isinstance(node, ast.ClassDef))


def test_a_file_has_at_most_400_lines() -> None:
    lengths = {name: len(text.splitlines()) for name, text in _sources().items()}

    assert {name: length for name, length in lengths.items() if length > LINES_OF_A_FILE} == {}


def test_a_function_has_at_most_50_lines() -> None:
    lengths = {
        f"{name}: {node.name}": (node.end_lineno or node.lineno) - node.lineno
        for name, node in _definitions()
        if isinstance(node, Function)
    }

    assert {name: length for name, length in lengths.items() if length > LINES_OF_A_FUNCTION} == {}


def test_a_use_case_takes_at_most_eight_arguments() -> None:
    taken = {
        node.name: len(made.args.args) + len(made.args.kwonlyargs) - 1
        for node in _classes("application/")
        for made in node.body
        if isinstance(made, ast.FunctionDef) and made.name == "__init__"
    }

    assert taken
    assert {name: count for name, count in taken.items() if count > ARGUMENTS_OF_A_CONSTRUCTOR} == {}


def test_a_port_has_at_most_six_methods() -> None:
    methods = {
        node.name: sum(isinstance(part, Function) for part in node.body)
        for node in _classes("application/ports/")
        if any(getattr(base, "id", "") == "Protocol" for base in node.bases)
    }

    assert methods
    assert {name: count for name, count in methods.items() if count > METHODS_OF_A_PORT} == {}
