"""Which ports do the parts of a local platform listen on?"""

import random
import socket
from typing import Final

from msgspec import Struct

from messaging.entrypoints.dev.loopback import HOST

# Below the range from which the kernel takes the local ends of outgoing connections, so that none of those can take
# a port between our choosing it and a child's binding it.
_RANGE: Final = range(20_000, 32_000)
_TRIES: Final = 200


class NoFreePort(Exception):
    """Nothing free was found; `--port-base` names ports explicitly."""


class Ports(Struct, frozen=True, kw_only=True):
    """`postgres` and `redis` are None when Unix sockets are enough."""

    api: int
    webhooks: int
    sandbox: int
    worker: int
    postgres: int | None = None
    redis: int | None = None


def ports_from(base: int) -> Ports:
    """Six ports in a row: api, webhooks, sandbox, PostgreSQL, Redis, the worker's health listener."""
    return Ports(api=base, webhooks=base + 1, sandbox=base + 2, postgres=base + 3, redis=base + 4, worker=base + 5)


def free_ports() -> Ports:
    """Four distinct ports that are free at this moment."""
    found: set[int] = set()
    for _ in range(_TRIES):
        port = random.choice(_RANGE)
        if port not in found and _is_free(port):
            found.add(port)
        if len(found) == 4:
            api, webhooks, sandbox, worker = found
            return Ports(api=api, webhooks=webhooks, sandbox=sandbox, worker=worker)
    raise NoFreePort


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
