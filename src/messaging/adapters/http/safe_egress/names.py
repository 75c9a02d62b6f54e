"""Resolves the names of hosts that tenants name, in threads of its own, each name once at a time.

The system's resolver blocks its thread for as long as a name server is silent. Hosts whose name servers hang must not
hold the threads of others, so a name that is being looked up is waited for by all, and there are many threads. What
comes back is not trusted: `guard` judges each address when it is about to be connected.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

# Threads are made as they are needed; an idle one costs a few kilobytes.
_THREADS: Final = 128
# Addresses of one name that are tried, at most: an answer may hold thousands.
_MOST_ADDRESSES: Final = 8

# The addresses of a name, as texts. Raises OSError or UnicodeError.
Lookup = Callable[[str], Sequence[str]]


def system_lookup(host: str) -> Sequence[str]:
    """What the machine's own resolver says, in its order of preference."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(str(address[0]) for _, _, _, _, address in found)


class Names(AbstractResolver):
    """The resolver of guarded connections; it keeps nothing, so that a change of a name is seen at once."""

    def __init__(self, lookup: Lookup = system_lookup) -> None:
        self._lookup = lookup
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="names")
        self._under_way: dict[str, asyncio.Future[Sequence[str]]] = {}

    async def addresses(self, host: str) -> Sequence[str]:
        """The addresses of a name, each once. Raises OSError."""
        if (found := self._under_way.get(host)) is None:
            found = asyncio.get_running_loop().run_in_executor(self._threads, self._lookup, host)
            self._under_way[host] = found
            found.add_done_callback(lambda done: self._settle(host, done))
        try:
            # Who gives up leaves the look-up to the others.
            addresses = await asyncio.shield(found)
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, "the name cannot be written as one") from error
        if not addresses:
            raise socket.gaierror(socket.EAI_NODATA, "the name has no address")
        return tuple(dict.fromkeys(addresses))[:_MOST_ADDRESSES]

    def _settle(self, host: str, done: "asyncio.Future[Sequence[str]]") -> None:
        del self._under_way[host]
        if not done.cancelled():
            # Everybody may have given up; the failure has been seen then.
            done.exception()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [_result(host, address, port) for address in await self.addresses(host)]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _result(name: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(
        hostname=name, host=address, port=port, family=family, proto=socket.IPPROTO_TCP, flags=socket.AI_NUMERICHOST
    )
