"""A use case is named in its slice's container and in the one module of the entry points that calls it, nowhere else.

So a new use case touches its own file, a container, and a route or handler.
"""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import messaging

SOURCES: Final = Path(messaging.__file__).parent
ENTRYPOINTS: Final = SOURCES / "entrypoints"
CONTAINERS: Final = "composition/use_cases/"
Name = tuple[str, str]

# Where a graph may be seen as a whole: where it is built, and where a process takes what it needs out of it.
GRAPHS: Final = ("messaging.entrypoints.composition.containers", "messaging.entrypoints.composition.use_cases.")
HOLDERS_OF_GRAPHS: Final = ("composition/", "cli/processes/", "api/app.py", "webhooks/app.py", "worker/duties.py")


def test_a_use_case_is_built_in_one_container() -> None:
    several = {name: sorted(inside) for name, (inside, _) in _named().items() if len(inside) > 1}

    assert several == {}


def test_a_use_case_is_called_in_one_module() -> None:
    named = _named()

    assert len(named) > 60, "too few use cases were found"
    assert {name: sorted(outside) for name, (_, outside) in named.items() if len(outside) > 1} == {}


def test_graphs_are_held_where_processes_are_built_and_nowhere_else() -> None:
    holders = {module for module, (imported, _) in _imports() if imported.startswith(GRAPHS)}

    assert holders
    assert [module for module in sorted(holders) if not module.startswith(HOLDERS_OF_GRAPHS)] == []


def _named() -> dict[str, tuple[set[str], set[str]]]:
    """Each use case with the containers and the other modules of the entry points that name it."""
    use_cases = set(_use_cases())
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for module, imported in _imports():
        if imported in use_cases:
            found[imported[1]][not module.startswith(CONTAINERS)].add(module)
    return found


def _use_cases() -> Iterator[Name]:
    """The classes of the slices that are called like functions."""
    for path in (SOURCES / "application").glob("*/**/*.py"):
        slice_, module = path.relative_to(SOURCES / "application").parts[0], _dotted(path)
        for node in ast.parse(path.read_text()).body:
            if slice_ != "ports" and isinstance(node, ast.ClassDef) and not _is_protocol(node) and _is_called(node):
                yield module, node.name


def _is_protocol(node: ast.ClassDef) -> bool:
    return any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases)


def _is_called(node: ast.ClassDef) -> bool:
    return any(
        isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name == "__call__" for item in node.body
    )


def _imports() -> Iterator[tuple[str, Name]]:
    """Every `from … import …` of the entry points: the importing file, and what it imports."""
    for path in ENTRYPOINTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                for alias in node.names:
                    yield path.relative_to(ENTRYPOINTS).as_posix(), (node.module, alias.name)


def _dotted(path: Path) -> str:
    return ".".join(path.relative_to(SOURCES.parent).with_suffix("").parts)
