"""Wrong keys of one network are turned away after some of them; keys in use pass in spite of their neighbours."""

from typing import Any

import pytest

from messaging.entrypoints.api.edge.failed_keys import FailedKeys, TooManyFailedKeys
from messaging.entrypoints.settings.values import Networks

PROXIES = Networks("10.0.0.0/8, fd00::/8").networks


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def call(address: str, *forwarded: str) -> Any:
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"client": (address, 1234), "headers": headers}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys(clock: Clock) -> FailedKeys:
    return FailedKeys(per_minute=3, proxies=PROXIES, now=clock)


def is_turned_away(keys: FailedKeys, scope: Any, *, in_use: bool = False) -> bool:
    try:
        keys.turn_away(scope, in_use=lambda: in_use)
    except TooManyFailedKeys:
        return True
    return False


def throttle(keys: FailedKeys, scope: Any) -> None:
    for _ in range(3):
        keys.failed(scope)
    with pytest.raises(TooManyFailedKeys):
        keys.failed(scope)
    # The one key in a second that is looked up all the same.
    assert not is_turned_away(keys, scope)


def test_after_some_wrong_keys_the_next_of_the_network_are_turned_away_until_the_minute_is_over(
    keys: FailedKeys, clock: Clock
) -> None:
    throttle(keys, call("192.0.2.1"))

    with pytest.raises(TooManyFailedKeys) as caught:
        keys.failed(call("192.0.2.200"))
    assert caught.value.retry_after == 60
    assert is_turned_away(keys, call("192.0.2.200"))
    assert not is_turned_away(keys, call("192.0.3.1"))
    clock.now += 60
    assert not is_turned_away(keys, call("192.0.2.1"))
    keys.failed(call("192.0.2.1"))


def test_a_key_in_use_passes_and_others_are_looked_up_now_and_then(keys: FailedKeys, clock: Clock) -> None:
    throttle(keys, call("192.0.2.1"))

    assert not is_turned_away(keys, call("192.0.2.1"), in_use=True)
    assert is_turned_away(keys, call("192.0.2.1"))
    clock.now += 1
    assert not is_turned_away(keys, call("192.0.2.1"))
    assert is_turned_away(keys, call("192.0.2.1"))


SAME = [
    (call("2001:db8:1::1"), call("2001:db8:1:ffff::9"), True),
    (call("2001:db8:1::1"), call("2001:db8:2::1"), False),
    (call("::ffff:192.0.2.1"), call("192.0.2.9"), True),
    (call("10.0.0.1", "198.51.100.7"), call("10.9.9.9", "198.51.100.8"), True),
    (call("10.0.0.1", "198.51.100.7"), call("10.0.0.1", "203.0.113.7"), False),
    # What the caller itself claims stands before what the proxies add.
    (call("10.0.0.1", "1.1.1.1, 198.51.100.7"), call("10.0.0.1", "2.2.2.2", "198.51.100.7, 10.0.0.2"), True),
    # Who is no proxy of ours is not believed.
    (call("198.51.100.7", "1.1.1.1"), call("198.51.100.7", "2.2.2.2"), True),
    (call("10.0.0.1", "nonsense"), call("10.0.0.1"), True),
]


@pytest.mark.parametrize(("one", "other", "same"), SAME)
def test_who_is_of_the_same_network(keys: FailedKeys, one: Any, other: Any, same: bool) -> None:
    throttle(keys, one)

    assert is_turned_away(keys, other) == same


def test_the_memory_is_bounded(keys: FailedKeys) -> None:
    for number in range(25_000):
        keys.failed(call(f"{1 + number // 65_536}.{number // 256 % 256}.{number % 256}.1"))

    assert len(keys._counts) == 10_000
