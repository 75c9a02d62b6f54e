"""Finds a free TCP port of this machine for a local server."""

import socket
from typing import Final

HOST: Final = "127.0.0.1"


def free_port() -> int:
    """A loopback port that was free a moment ago; another process may still take it before the caller does."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port
