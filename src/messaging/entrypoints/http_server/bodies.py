"""Holds bodies that arrive in parts until they are whole, and bounds the bytes that a process holds at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from messaging.application.gather import Overloaded

_MIB: Final = 2**20


class BodyRoom:
    """Room for bodies that arrive in parts, shared by all connections of a process. A body that arrives in one part
    takes none.
    """

    def __init__(self, most: int = 64 * _MIB) -> None:
        self._left = most

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """A share of the room; it is given back at the end of the block."""
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
        """Takes room for more bytes. Raises Overloaded when all connections together hold too much."""
        self._room.take(size)
        self.taken += size
