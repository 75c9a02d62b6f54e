"""Rooms: no folder of the package holds more than nine modules, so that a stranger sees at a glance what is in it."""

from collections import Counter
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
