"""Ports of the parts of a local platform: chosen, or refused where somebody listens already."""

import random
import socket
from typing import Final

from msgspec import Struct

from messaging.entrypoints.lab.dev.processes.loopback import HOST

# Below the range from which the kernel takes the local ends of outgoing connections, so that none of those can take
# a port between our choosing it and a child's binding it.
_RANGE: Final = range(20_000, 32_000)
_TRIES: Final = 200


class NoFreePort(Exception):
    """No free port was found; `--port-base` names ports explicitly."""


class PortsInUse(Exception):
    """Ports that parts of the platform are to listen on are taken; the text names every one of them."""


class Ports(Struct, frozen=True, kw_only=True):
    """`postgres` and `redis` are None when Unix sockets are enough, `mail` and `callbacks` when
    nothing takes returned mail or posts callbacks."""

    api: int
    webhooks: int
    sandbox: int
    worker: int
    postgres: int | None = None
    redis: int | None = None
    mail: int | None = None
    callbacks: int | None = None

    def named(self) -> dict[str, int]:
        """Every port that is to be used, by the name of its user."""
        named = {name: getattr(self, name) for name in self.__struct_fields__}
        return {name: port for name, port in named.items() if port is not None}


def require_free(ports: Ports) -> None:
    """Raises PortsInUse if somebody listens already, so that nothing of ours talks to a stranger."""
    taken = [f"{port} ({name})" for name, port in ports.named().items() if not _is_free(port)]
    if taken:
        raise PortsInUse(f"another process listens on {HOST}, port {', '.join(taken)}")


def ports_from(base: int) -> Ports:
    """Eight ports in a row: api, webhooks, sandbox, PostgreSQL, Redis, the worker's health listener, returned mail, and
    the health listener of callbacks.
    """
    names = ("api", "webhooks", "sandbox", "postgres", "redis", "worker", "mail", "callbacks")
    return Ports(**{name: base + index for index, name in enumerate(names)})


def free_ports() -> Ports:
    """Six distinct ports that are free at this moment."""
    found: set[int] = set()
    for _ in range(_TRIES):
        port = random.choice(_RANGE)
        if port not in found and _is_free(port):
            found.add(port)
        if len(found) == 6:
            api, webhooks, sandbox, worker, mail, callbacks = found
            return Ports(api=api, webhooks=webhooks, sandbox=sandbox, worker=worker, mail=mail, callbacks=callbacks)
    raise NoFreePort


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # Remains of connections that have ended do not keep a server from the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
