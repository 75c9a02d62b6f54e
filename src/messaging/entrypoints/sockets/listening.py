"""Listening sockets of our processes: bound at once, or refused with a reason a person can act on."""

import errno
import socket
from typing import Final

_BACKLOG: Final = 2_048
_WHY: Final = {
    errno.EADDRINUSE: "another process listens there",
    errno.EACCES: "this account may not listen on that port",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


class CannotListen(Exception):
    """An address cannot be listened on; the text names the address and the reason."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host` and `port` (0: a free one). Raises CannotListen."""
    try:
        # asyncio disables Nagle's delay only for sockets that name the protocol.
        (family, kind, _, _, address), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )
        listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    except OSError as error:
        raise _refused(host, port, error) from error
    try:
        # Connections of an earlier process that have not quite ended must not keep the port from this one.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(host, port, error) from error
    return listener


def _refused(host: str, port: int, error: OSError) -> CannotListen:
    reason = _WHY.get(error.errno or 0) or error.strerror or str(error)
    shown = f"[{host}]" if ":" in host else host
    return CannotListen(f"cannot listen on {shown}:{port}: {reason}")
