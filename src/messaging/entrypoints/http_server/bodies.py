"""Holds bodies that arrive in parts until they are whole, and bounds the bytes that a process holds at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from messaging.application.gather import Overloaded

_MIB: Final = 2**20


class BodyRoom:
    """Shared by all connections of a process. A body that comes in one part is in nobody's way and asks for nothing."""

    def __init__(self, most: int = 64 * _MIB) -> None:
        self._left = most

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """What is taken within the block is given back at its end."""
        share = Share(self)
        try:
            yield share
        finally:
            self._left += share.taken

    def take(self, size: int) -> None:
        if size > self._left:
            raise Overloaded
        self._left -= size


class Share:
    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self.taken = 0

    def take(self, size: int) -> None:
        """Raises Overloaded when too much is held by all together."""
        self._room.take(size)
        self.taken += size
