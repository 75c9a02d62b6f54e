"""A kept reply comes back as it was, and a long one takes little room."""

import json

import pytest

from messaging.application.messages.accepting.kept_reply import pack, unpack

SHORT = b'{"id":"msg_1"}'
LONG = json.dumps([{"index": index, "status": "refused"} for index in range(1_000)]).encode()


@pytest.mark.parametrize("body", [b"", SHORT, b"[]", LONG])
def test_what_is_packed_comes_back_byte_for_byte(body: bytes) -> None:
    assert unpack(pack(body)) == body


def test_a_short_reply_is_kept_as_it_is_and_a_long_one_packed() -> None:
    assert pack(SHORT) == SHORT
    assert len(pack(LONG)) < len(LONG) / 10


def test_a_long_reply_that_was_kept_unpacked_is_read_too() -> None:
    assert unpack(LONG) == LONG


def test_a_reply_of_a_kibibyte_is_kept_as_it_is_and_one_that_is_longer_by_a_byte_is_packed() -> None:
    assert pack(b"x" * 1_024) == b"x" * 1_024
    assert len(pack(b"x" * 1_025)) < 100
