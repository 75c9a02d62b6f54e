"""Does joining writes change nothing but their number?"""

import asyncio
from typing import Any

from messaging.entrypoints.sockets.joined_writes import _OneWrite


class Recording(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes | str] = []
        self.over = False

    def write(self, data: Any) -> None:
        self.done.append(bytes(data))

    def close(self) -> None:
        self.done.append("close")
        self.over = True

    def is_closing(self) -> bool:
        return self.over

    def pause_reading(self) -> None:
        self.done.append("pause")


async def test_what_is_written_in_one_turn_leaves_as_one() -> None:
    transport = Recording()
    joined = _OneWrite(transport)

    joined.write(b"head ")
    joined.write(b"body")
    await asyncio.sleep(0)
    joined.write(b"next")
    await asyncio.sleep(0)

    assert transport.done == [b"head body", b"next"]


async def test_closing_sends_what_was_written_before() -> None:
    transport = Recording()
    joined = _OneWrite(transport)

    joined.write(b"last words")
    joined.close()
    await asyncio.sleep(0)

    assert transport.done == [b"last words", "close"]


async def test_nothing_is_written_to_a_connection_that_is_gone() -> None:
    transport = Recording()
    joined = _OneWrite(transport)

    joined.write(b"too late")
    transport.over = True
    await asyncio.sleep(0)

    assert transport.done == []


async def test_everything_else_is_the_transports_own() -> None:
    transport = Recording()

    _OneWrite(transport).pause_reading()

    assert transport.done == ["pause"]
