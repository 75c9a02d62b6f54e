"""Rooms: no folder of the package holds more than nine modules, so that a stranger sees at a glance what is in it."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import messaging

SOURCES: Final = Path(messaging.__file__).parent
LARGEST: Final = 9
# A catalogue, a file for each role (decision 27).
CATALOGUES: Final = {"application/ports"}


def test_no_room_is_crowded() -> None:
    modules = [path for path in SOURCES.rglob("*.py") if path.name != "__init__.py"]
    rooms = Counter(path.parent.relative_to(SOURCES).as_posix() for path in modules)

    crowded = {room: count for room, count in rooms.items() if count > LARGEST and room not in CATALOGUES}

    assert len(rooms) > 50, "too few rooms were found"
    assert crowded == {}, "part these folders by what happens in them, and add the rooms to the contracts"


def test_the_catalogues_are_still_there() -> None:
    assert all((SOURCES / room).is_dir() for room in CATALOGUES)


def test_modules_that_are_started_by_name_exist_and_are_named_in_full() -> None:
    """A module that is moved takes its imports along, but not the texts by which another process is told to run it."""
    named = [text for text in _texts() if text.startswith("messaging.entrypoints")]

    assert len(named) > 4
    assert [name for name in named if not _exists(name)] == []


def _texts() -> Iterator[str]:
    """Every text constant that may be a module's name, the parts of composed texts included."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.]+", node.value):
                yield node.value


def _exists(module: str) -> bool:
    path = SOURCES.parent / module.replace(".", "/")
    return not module.endswith(".") and (path.with_suffix(".py").is_file() or path.is_dir())
