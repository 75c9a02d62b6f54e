"""The limits of one connection, and of all connections of one listener together."""

from msgspec import Struct


class HttpBounds(Struct, frozen=True, kw_only=True):
    """The defaults are those of the settings `APP_HTTP_…`.

    `pipelined` are requests of one connection that may wait behind the one being answered, `linger_bytes` is what is
    still read (and thrown away) of a request that is answered already, so that its sender comes to read the answer.
    """

    connections: int = 1_000
    header_lines: int = 100
    head_bytes: int = 32_768
    url_bytes: int = 8_192
    head_seconds: float = 10.0
    body_seconds: float = 30.0
    idle_seconds: float = 75.0
    answer_seconds: float = 60.0
    linger_seconds: float = 2.0
    linger_bytes: int = 2_097_152
    pipelined: int = 16
    # Seconds a new connection has to ask something before it is among the first to be closed for others.
    silent_seconds: float = 1.0
    # Seconds between two looks at the age of every connection.
    sweep_seconds: float = 1.0
    # Connections admitted beyond the limit, for questions about the process's health only.
    probes: int = 16
