"""Counts wrong keys by the network they come from; after some of them, further requests are refused unread."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from math import ceil
from time import monotonic
from typing import Any, Final

from msgspec import Struct

from messaging.domain.shared.errors import DomainError

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_WINDOW: Final = 60.0
# Bits of an address that name one network: what a household, office or machine usually has.
_PREFIX: Final = {4: 24, 6: 48}
_MOST: Final = 10_000
# Seconds between two look-ups of keys that are not known to be in use, for one throttled network.
_LOOK_UP_EVERY: Final = 1.0


class TooManyFailedKeys(DomainError):
    """A network has sent too many wrong keys; the key of this request was not looked up."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            "keys_throttled",
            "Too many wrong keys came from this network. Keys that are in use still work; check the one you send.",
        )
        self.retry_after = max(1, ceil(retry_after))


class _Count(Struct):
    """Wrong keys of one network within a window that ends at `ends` (monotonic seconds)."""

    ends: float
    failures: int = 0
    next_look_up: float = 0.0


class FailedKeys:
    """The first `per_minute` wrong keys of a network are answered with 401, further ones with 429; 0 sets no limit.

    The counts are in the memory of one process, for the networks heard of last. `proxies` are believed about who called
    them.
    """

    def __init__(
        self, *, per_minute: int, proxies: Iterable[Network] = (), now: Callable[[], float] = monotonic
    ) -> None:
        self._per_minute = per_minute
        self._proxies = tuple(proxies)
        self._now = now
        self._counts: OrderedDict[str, _Count] = OrderedDict()
        self._any_until = 0.0

    def turn_away(self, scope: Any, *, in_use: Callable[[], bool]) -> None:
        """Called before a key is looked up. Raises TooManyFailedKeys, but not for a key that is in use.

        While no network is throttled, which is nearly always, this is one comparison.
        """
        if (now := self._now()) >= self._any_until:
            return
        count = self._counts.get(self._network(scope))
        if count is None or not self._is_throttled(count, now) or in_use():
            return
        if now < count.next_look_up:
            raise TooManyFailedKeys(count.next_look_up - now)
        count.next_look_up = now + _LOOK_UP_EVERY

    def failed(self, scope: Any) -> None:
        """Counts a wrong key. Raises TooManyFailedKeys when it exceeds the limit."""
        if not self._per_minute:
            return
        now, network = self._now(), self._network(scope)
        count = self._counts.get(network)
        if count is None or count.ends <= now:
            count = self._counts[network] = _Count(ends=now + _WINDOW)
        self._counts.move_to_end(network)
        while len(self._counts) > _MOST:
            self._counts.popitem(last=False)
        count.failures += 1
        if self._is_throttled(count, now):
            self._any_until = max(self._any_until, count.ends)
            raise TooManyFailedKeys(count.ends - now)

    def _is_throttled(self, count: _Count, now: float) -> bool:
        return count.failures > self._per_minute and now < count.ends

    def _network(self, scope: Any) -> str:
        address = self._caller(scope)
        if address is None:
            return ""
        return str(ip_network((address, _PREFIX[address.version]), strict=False))

    def _caller(self, scope: Any) -> Address | None:
        """The nearest address that is not one of our proxies; each proxy appends the address that called it."""
        client = scope.get("client")
        address = _address(client[0]) if client else None
        hops = [hop for name, value in scope["headers"] if name == b"x-forwarded-for" for hop in value.split(b",")]
        while address is not None and hops and any(address in network for network in self._proxies):
            address = _address(hops.pop().decode("latin-1").strip()) or address
        return address


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
